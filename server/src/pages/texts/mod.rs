//! The texts of the pages. One struct holds all texts, and every language fills all of it: a
//! missing text does not compile.

mod en;
mod ru;
mod uk;

use crate::auth::Purpose;
use crate::auth::password::rules::Finding;
use crate::language::Language;

pub struct Texts {
    /// The language's own name.
    pub language: &'static str,
    /// The label of the language choice.
    pub languages: &'static str,
    /// A prefix of the title when a form is shown again.
    pub mistake: &'static str,
    /// Back to the link, after a failure that did not change it.
    pub again: &'static str,
    pub home: HomeTexts,
    /// Before the support address.
    pub support: &'static str,
    activation: LinkTexts,
    password_reset: LinkTexts,
    email_reset: LinkTexts,
    email_confirm: LinkTexts,
    email_return: LinkTexts,
    pub password: PasswordTexts,
    pub email: EmailTexts,
    /// Another account has the new address by now.
    pub email_taken: Message,
    pub sign_in: SignInTexts,
    pub too_many: Message,
    pub busy: Message,
    pub failed: Message,
    pub broken_form: Message,
}

/// The description of the server.
pub struct HomeTexts {
    pub title: &'static str,
    /// The host is between the two.
    pub about: [&'static str; 2],
    pub docs: &'static str,
}

/// The texts of one kind of link.
pub struct LinkTexts {
    pub title: &'static str,
    /// What the button does; the host is between the two.
    pub about: [&'static str; 2],
    pub button: &'static str,
    /// For a reader who did not ask for the mail.
    pub not_you: &'static str,
    pub done: Message,
    pub spent: Message,
    pub dead: Message,
}

/// What happened and what to do next.
pub struct Message {
    pub title: &'static str,
    pub text: &'static str,
    pub next: &'static str,
}

pub struct PasswordTexts {
    pub label: &'static str,
    pub hint: &'static str,
    pub repeat: &'static str,
    pub missing: &'static str,
    pub too_long: &'static str,
    pub not_repeated: &'static str,
    pub differs: &'static str,
    too_similar: &'static str,
    too_short: &'static str,
    too_common: &'static str,
    numeric: &'static str,
}

pub struct EmailTexts {
    pub label: &'static str,
    pub hint: &'static str,
    pub missing: &'static str,
    pub invalid: &'static str,
    pub taken: &'static str,
}

/// After a provider has sent the visitor back.
pub struct SignInTexts {
    pub confirmed: ReturnTexts,
    pub cancelled: ReturnTexts,
    pub refused: ReturnTexts,
    pub unreachable: ReturnTexts,
    /// The link to the app.
    pub button: &'static str,
    /// For a visitor who did not begin the sign-in.
    pub not_you: &'static str,
    pub code: CodeTexts,
    /// The sign-in is unknown, so there is no app to return to.
    pub over: Message,
    /// Only while the page can be loaded again; also for `busy`.
    pub too_many: Message,
    pub busy: Message,
}

pub struct ReturnTexts {
    pub title: &'static str,
    /// What the provider did and what to do now. Its title is between the two, where Russian and
    /// Ukrainian do not inflect names.
    pub about: [&'static str; 2],
}

/// For apps that cannot be opened by a link.
pub struct CodeTexts {
    pub title: &'static str,
    pub about: &'static str,
    pub device_id: &'static str,
    pub works_for: &'static str,
    pub not_you: &'static str,
}

impl Texts {
    pub fn of(language: Language) -> &'static Texts {
        match language {
            Language::En => &en::TEXTS,
            Language::Ru => &ru::TEXTS,
            Language::Uk => &uk::TEXTS,
        }
    }

    pub fn link(&self, purpose: Purpose) -> &LinkTexts {
        match purpose {
            Purpose::Activation => &self.activation,
            Purpose::PasswordReset => &self.password_reset,
            Purpose::EmailReset => &self.email_reset,
            Purpose::EmailConfirm => &self.email_confirm,
            Purpose::EmailReturn => &self.email_return,
        }
    }
}

impl PasswordTexts {
    pub fn finding(&self, finding: &Finding<'_>) -> &'static str {
        match finding {
            Finding::TooSimilar(_) => self.too_similar,
            Finding::TooShort => self.too_short,
            Finding::TooCommon => self.too_common,
            Finding::Numeric => self.numeric,
        }
    }
}

/// When to try again. Abbreviated units avoid the three plural forms of Russian and Ukrainian.
pub fn wait(language: Language, seconds: i64) -> String {
    let (number, minutes) =
        if seconds < 60 { (seconds.max(1), false) } else { ((seconds + 59) / 60, true) };
    match (language, minutes) {
        (Language::En, false) => format!("Please try again in {number}\u{a0}s."),
        (Language::En, true) => format!("Please try again in {number}\u{a0}min."),
        (Language::Ru, false) => format!("Попробуйте ещё раз через {number}\u{a0}с."),
        (Language::Ru, true) => format!("Попробуйте ещё раз через {number}\u{a0}мин."),
        (Language::Uk, false) => format!("Спробуйте ще раз через {number}\u{a0}с."),
        (Language::Uk, true) => format!("Спробуйте ще раз через {number}\u{a0}хв."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::password::Password;
    use crate::auth::password::rules::MIN_LENGTH;
    use crate::auth::{CODE_LIFETIME, SIGN_IN_LIFETIME};

    #[test]
    fn texts_name_the_actual_limits() {
        for language in Language::ALL {
            let texts = &Texts::of(language).password;
            let shortest = format!(" {MIN_LENGTH} ");
            assert!(texts.hint.contains(&shortest) && texts.too_short.contains(&shortest));
            assert!(texts.too_long.contains(&Password::MAX_BYTES.to_string()));
        }
    }

    #[test]
    fn texts_name_the_actual_lifetime_of_a_sign_in() {
        assert_eq!(SIGN_IN_LIFETIME, 10 * 60, "ten minutes, in words");
        for language in Language::ALL {
            let code = &Texts::of(language).sign_in.code;
            assert!(code.works_for.contains(&format!(" {CODE_LIFETIME} ")), "{}", code.works_for);
        }
    }

    #[test]
    fn pages_read_like_native_text() {
        let (en, ru, uk) = (&en::TEXTS, &ru::TEXTS, &uk::TEXTS);
        for (text, phrase) in [
            (en.email.hint, "Check it for typos"),
            (en.activation.dead.title, "This link no longer works"),
            (en.password.differs, "The passwords do not match"),
            (en.sign_in.code.not_you, "Do not share the code"),
            (ru.email_reset.about[0], "по которому вы теперь будете входить"),
            (ru.password_reset.done.text, "Вы вышли из учётной записи на всех устройствах."),
            (ru.sign_in.confirmed.about[1], " подтвердил, что это вы."),
            (ru.broken_form.title, "Не удалось отправить форму"),
            (uk.activation.dead.next, "замовте там новий лист"),
            (uk.password_reset.spent.text, "Пароль за цим посиланням уже змінено"),
            (uk.sign_in.confirmed.about[1], "Продовжте вхід у застосунку"),
            (uk.password_reset.done.text, "Ви вийшли з облікового запису на всіх пристроях."),
        ] {
            assert!(text.contains(phrase), "{text}");
        }
    }

    #[test]
    fn wait_is_rounded_up_to_whole_minutes() {
        let cases = [(0, "1\u{a0}s"), (59, "59\u{a0}s"), (60, "1\u{a0}min"), (61, "2\u{a0}min")];
        for (seconds, shown) in cases {
            let text = format!("Please try again in {shown}.");
            assert_eq!(wait(Language::En, seconds), text);
        }
        assert_eq!(wait(Language::Ru, 61), "Попробуйте ещё раз через 2\u{a0}мин.");
        assert_eq!(wait(Language::Uk, 61), "Спробуйте ще раз через 2\u{a0}хв.");
    }
}
