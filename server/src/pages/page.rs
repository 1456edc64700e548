//! The pages as templates: one layout, a page for each form, and one for everything that only tells.

use std::borrow::Cow;

use askama::Template;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Pages;
use super::texts::{EmailTexts, HomeTexts, LinkTexts, Message, PasswordTexts, Texts};
use crate::language::Language;

/// Stands in every page, so that it needs nothing else; the content security policy names its hash.
pub const STYLE: &str = concat!(
    include_str!("../../templates/pages/colours.css"),
    include_str!("../../templates/pages/style.css"),
);

/// What has a meaning of its own in a link, or no place there (RFC 6068 section 2).
const IN_MAILTO: &AsciiSet = &CONTROLS
    .add(b'%')
    .add(b'?')
    .add(b'&')
    .add(b'#')
    .add(b'/')
    .add(b'=')
    .add(b'[')
    .add(b']')
    .add(b'`')
    .add(b'^')
    .add(b'|')
    .add(b'{')
    .add(b'}');

/// What is around every page.
pub struct Frame<'p> {
    pub language: Language,
    pub texts: &'static Texts,
    /// What people call the place.
    pub host: &'p str,
    /// Whether that is a name that the operator gives, and no host.
    pub has_name: bool,
    /// Where they ask for help.
    pub support: Option<&'p str>,
    /// The path of the link, as a browser may ask for it. Without one the page cannot be had a second
    /// time: it has neither a choice of languages nor a form nor a way to try again.
    pub path: Option<&'p str>,
    pub style: &'static str,
}

impl<'p> Frame<'p> {
    pub fn new(language: Language, host: &'p str, path: &'p str) -> Self {
        Frame { path: Some(path), ..Frame::once(language, host) }
    }

    /// For a page whose address has done its work when the page is shown.
    pub fn once(language: Language, host: &'p str) -> Self {
        let texts = Texts::of(language);
        Frame { language, texts, host, has_name: false, support: None, path: None, style: STYLE }
    }

    /// With what the operator of these pages has named.
    pub fn of(self, pages: &'p Pages) -> Self {
        Frame { has_name: pages.has_name, support: pages.support.as_deref(), ..self }
    }

    /// The place within a sentence.
    pub(super) fn place(&self) -> Cow<'p, str> {
        match self.has_name {
            true => self.language.quoted(self.host),
            false => self.host.into(),
        }
    }

    /// The link to the support: a page, or a mail to an address.
    pub(super) fn support_link(&self) -> String {
        match self.support.unwrap_or_default() {
            page if page.starts_with("https://") => page.to_owned(),
            address => format!("mailto:{}", utf8_percent_encode(address, IN_MAILTO)),
        }
    }

    /// The link in the language that the visitor sees.
    fn action(&self) -> String {
        format!("{}?lang={}", self.path.unwrap_or_default(), self.language.code())
    }

    pub fn languages(&self) -> [(Language, &'static Texts); Language::ALL.len()] {
        Language::ALL.map(|language| (language, Texts::of(language)))
    }
}

#[derive(Template)]
#[template(path = "pages/home.html")]
pub struct HomePage<'p> {
    pub frame: Frame<'p>,
    pub texts: &'p HomeTexts,
    /// Where the APIs are described.
    pub docs: Option<String>,
}

#[derive(Template)]
#[template(path = "pages/button.html")]
pub struct ButtonPage<'p> {
    pub frame: Frame<'p>,
    pub texts: &'p LinkTexts,
}

#[derive(Template)]
#[template(path = "pages/password.html")]
pub struct PasswordPage<'p> {
    pub frame: Frame<'p>,
    pub texts: &'p LinkTexts,
    pub fields: &'p PasswordTexts,
    pub mistakes: PasswordMistakes,
}

/// What is wrong with the two passwords of the form; nothing where it is shown first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PasswordMistakes {
    pub password: Vec<&'static str>,
    pub repeat: Option<&'static str>,
}

impl PasswordMistakes {
    pub fn is_empty(&self) -> bool {
        self.password.is_empty() && self.repeat.is_none()
    }
}

#[derive(Template)]
#[template(path = "pages/email.html")]
pub struct EmailPage<'p> {
    pub frame: Frame<'p>,
    pub texts: &'p LinkTexts,
    pub field: &'p EmailTexts,
    pub entered: String,
    pub mistake: Option<&'static str>,
}

/// How a message looks; the words say the same.
pub enum Tone {
    Good,
    /// The link does nothing (any more).
    Spent,
    Bad,
}

#[derive(Template)]
#[template(path = "pages/message.html")]
pub struct MessagePage<'p> {
    pub frame: Frame<'p>,
    pub message: &'p Message,
    pub tone: Tone,
    /// When to try again.
    pub wait: Option<String>,
    /// Whether the way back to the link is shown; only where the frame has its path.
    pub again: bool,
}
