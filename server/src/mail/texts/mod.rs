//! The texts of mails, a file for each language. A missing text does not compile.

mod en;
mod ru;
mod uk;

use super::Message;
use crate::language::Language;

/// The texts of one message; `{host}` is replaced by the server's host, `{provider}` by the
/// provider's title.
pub(super) struct Words {
    pub subject: &'static str,
    /// Why the reader gets this mail.
    pub why: &'static str,
    /// What the link does, if there is one.
    pub button: &'static str,
    /// What to do if the reader did not cause it.
    pub otherwise: &'static str,
}

/// The texts around every message.
pub(super) struct Frame {
    pub account: &'static str,
    pub device: &'static str,
    pub link_life: &'static str,
    /// The lifetime of a link that restores an address.
    pub return_life: &'static str,
    pub without_button: &'static str,
    /// Before the support address.
    pub support: &'static str,
    pub footer: &'static str,
}

pub(super) fn words(message: &Message, language: Language) -> Words {
    match language {
        Language::En => en::words(message),
        Language::Ru => ru::words(message),
        Language::Uk => uk::words(message),
    }
}

pub(super) fn frame(language: Language) -> Frame {
    match language {
        Language::En => en::FRAME,
        Language::Ru => ru::FRAME,
        Language::Uk => uk::FRAME,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> [Message; 10] {
        let (link, username) = (String::new, String::new);
        [
            Message::Activation { link: link() },
            Message::PasswordReset { link: link(), username: username() },
            Message::EmailReset { link: link(), username: username() },
            Message::EmailChanged,
            Message::AddressInUse,
            Message::SessionEnded { device: None },
            Message::NewNetwork { device: None },
            Message::IdentityLinked { provider: String::new() },
            Message::IdentityUnlinked { provider: String::new() },
            Message::DataExported,
        ]
    }

    fn all_words(language: Language) -> String {
        let words = messages().map(|message| {
            let Words { subject, why, button, otherwise } = words(&message, language);
            [subject, why, button, otherwise].join("\n")
        });
        [&words.join("\n"), frame(language).link_life].join("\n")
    }

    #[test]
    fn mails_read_like_native_text() {
        let sentences = [
            (
                Language::Ru,
                "Кто-то дважды предъявил ключ, по которому одно из ваших устройств входит на {host} без пароля. Так бывает, если ответ сервера потерялся. Но так же выглядит и кража ключа.",
            ),
            (Language::Ru, "К вашей учётной записи на {host} добавлен вход через {provider}."),
            (Language::Ru, "Из вашей учётной записи на {host} удалён способ входа"),
            (Language::Ru, "Ссылка одноразовая и действует три дня."),
            (
                Language::Uk,
                "Надійшов запит на новий пароль для вашого облікового запису на {host}.",
            ),
            (
                Language::Uk,
                "Надійшов запит на зміну адреси електронної пошти вашого облікового запису на {host}.",
            ),
            (Language::Uk, "надішліть запит на новий"),
            (Language::Uk, "З вашого облікового запису на {host} вилучено спосіб входу"),
        ];
        for (language, sentence) in sentences {
            assert!(all_words(language).contains(sentence), "{sentence}");
        }
    }

    #[test]
    fn mails_do_not_use_the_ukrainian_word_for_invite() {
        // «Запросити» is to invite a guest; only Russian asks for something with the like word.
        let words = all_words(Language::Uk).to_lowercase();
        for invitation in ["запросил", "запросіть", "запрошен"] {
            assert!(!words.contains(invitation), "{invitation}");
        }
    }
}
