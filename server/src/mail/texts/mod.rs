//! What mails say, a file for each language. A message without words in one of them does not compile.

mod en;
mod ru;
mod uk;

use super::Message;
use crate::language::Language;

/// The words of one message; `{host}` stands for the name of the place.
pub(super) struct Words {
    pub subject: &'static str,
    /// Why this mail came.
    pub why: &'static str,
    /// What the link does, if there is one.
    pub button: &'static str,
    /// What to do if it was not the reader's doing.
    pub otherwise: &'static str,
}

/// The words around every message.
pub(super) struct Frame {
    pub account: &'static str,
    pub link_life: &'static str,
    pub without_button: &'static str,
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
