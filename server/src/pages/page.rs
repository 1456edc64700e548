//! The pages as templates: one layout, a page for each form, and one for messages.

use std::borrow::Cow;

use askama::Template;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Pages;
use super::texts::{EmailTexts, HomeTexts, LinkTexts, Message, PasswordTexts, Texts};
use crate::language::Language;

/// Included in every page, so that it loads nothing; the content security policy contains its hash.
pub const STYLE: &str = concat!(
    include_str!("../../templates/pages/colours.css"),
    include_str!("../../templates/pages/style.css"),
);

/// Characters with a meaning in a mailto link, or not allowed there (RFC 6068 section 2).
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

/// The parts that every page has.
pub struct Frame<'p> {
    pub language: Language,
    pub texts: &'static Texts,
    /// The name of the service.
    pub host: &'p str,
    /// Whether `host` is the operator's name for the service, and not a host.
    pub has_name: bool,
    /// Where users get help.
    pub support: Option<&'p str>,
    /// The path of the link for browsers. `None`: the page cannot be loaded again, so it has no
    /// choice of languages, no form and no retry.
    pub path: Option<&'p str>,
    pub style: &'static str,
}

impl<'p> Frame<'p> {
    pub fn new(language: Language, host: &'p str, path: &'p str) -> Self {
        Frame { path: Some(path), ..Frame::once(language, host) }
    }

    /// For a page whose URL is spent when the page is shown.
    pub fn once(language: Language, host: &'p str) -> Self {
        let texts = Texts::of(language);
        Frame { language, texts, host, has_name: false, support: None, path: None, style: STYLE }
    }

    /// Adds the names that the operator has set.
    pub fn of(self, pages: &'p Pages) -> Self {
        Frame { has_name: pages.has_name, support: pages.support.as_deref(), ..self }
    }

    /// The name of the service within a sentence.
    pub(super) fn place(&self) -> Cow<'p, str> {
        match self.has_name {
            true => self.language.quoted(self.host),
            false => self.host.into(),
        }
    }

    /// The link to the support: a page or a mail address.
    pub(super) fn support_link(&self) -> String {
        match self.support.unwrap_or_default() {
            page if page.starts_with("https://") => page.to_owned(),
            address => format!("mailto:{}", utf8_percent_encode(address, IN_MAILTO)),
        }
    }

    /// The link with the visitor's language.
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
    /// The documentation of the APIs.
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

/// The errors of the two password fields; empty when the form is shown first.
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

/// The look of a message; its text says the same.
pub enum Tone {
    Good,
    /// The link does not work (any more).
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
    /// Whether to show a link to try again; only if the frame has a path.
    pub again: bool,
}
