//! One request for a mailed link: the client, the language, and the answer.

use std::net::IpAddr;

use askama::Template;
use axum::http::header::{HeaderValue, RETRY_AFTER};
use axum::http::{StatusCode, request};
use axum::response::Response;

use super::page::{
    ButtonPage, EmailPage, Frame, MessagePage, PasswordMistakes, PasswordPage, Tone,
};
use super::texts::{LinkTexts, Message, Texts, wait};
use super::{Pages, forms};
use crate::auth::{LinkState, Purpose};
use crate::error::Error;
use crate::http::body::BodyRefusal;
use crate::http::head;
use crate::identifier::Kind;
use crate::language::Language;

/// A link as it was opened.
pub struct Link {
    pub purpose: Purpose,
    pub uid: String,
    pub token: String,
    /// The path of its page.
    pub path: String,
}

pub struct Visit<'p> {
    pages: &'p Pages,
    link: Link,
    language: Language,
    texts: &'static Texts,
    from: IpAddr,
}

/// A form, with its errors when it is shown again.
enum Form {
    Button,
    Password(PasswordMistakes),
    Email { entered: String, mistake: Option<&'static str> },
}

impl<'p> Visit<'p> {
    pub fn new(pages: &'p Pages, link: Link, head: &request::Parts) -> Self {
        let language = chosen_language(head).unwrap_or(pages.language);
        let from = pages.proxies.client(&head.extensions, &head.headers);
        Visit { pages, link, language, texts: Texts::of(language), from }
    }

    /// Shows what the link does, and does not change it.
    pub async fn look(&self) -> Response {
        let form = match self.link.purpose {
            Purpose::Activation | Purpose::EmailConfirm | Purpose::EmailReturn => Form::Button,
            Purpose::PasswordReset => Form::Password(PasswordMistakes::default()),
            Purpose::EmailReset => Form::Email { entered: String::new(), mistake: None },
        };
        self.show_if_open(StatusCode::OK, form).await
    }

    /// Does what the link is for.
    pub async fn act(&self, form: &[u8]) -> Response {
        match self.link.purpose {
            Purpose::Activation => self.activate().await,
            Purpose::PasswordReset => self.set_password(form).await,
            Purpose::EmailReset => self.set_email(form).await,
            Purpose::EmailConfirm => self.confirm_email().await,
            Purpose::EmailReturn => self.return_email().await,
        }
    }

    /// The answer to a form that could not be read.
    pub fn unread(&self, refusal: BodyRefusal) -> Response {
        let status = match refusal {
            BodyRefusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyRefusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
            BodyRefusal::Broken => StatusCode::BAD_REQUEST,
        };
        self.trouble(status, &self.texts.broken_form, None)
    }

    async fn activate(&self) -> Response {
        let Link { uid, token, .. } = &self.link;
        match self.pages.auth.activate(uid, token, self.from).await {
            Ok(()) => self.done(),
            Err(error) => self.failure(&error),
        }
    }

    async fn confirm_email(&self) -> Response {
        let Link { uid, token, .. } = &self.link;
        match self.pages.auth.confirm_email(uid, token, self.from).await {
            Ok(()) => self.done(),
            Err(error @ Error::Taken(Kind::Email)) => {
                error.note();
                self.message(StatusCode::CONFLICT, &self.texts.email_taken, Tone::Spent)
            }
            Err(error) => self.failure(&error),
        }
    }

    async fn return_email(&self) -> Response {
        let Link { uid, token, .. } = &self.link;
        match self.pages.auth.return_email(uid, token, self.from).await {
            Ok(()) => self.done(),
            Err(error) => self.failure(&error),
        }
    }

    async fn set_password(&self, form: &[u8]) -> Response {
        let Link { uid, token, .. } = &self.link;
        let password = match forms::password(form, &self.texts.password) {
            Ok(password) => password,
            Err(mistakes) => return self.ask_again(Form::Password(mistakes)).await,
        };
        match self.pages.auth.reset_password(uid, token, password, self.from).await {
            Ok(()) => self.done(),
            Err(error) => self.failure(&error),
        }
    }

    async fn set_email(&self, form: &[u8]) -> Response {
        let Link { uid, token, .. } = &self.link;
        let texts = &self.texts.email;
        let entered = forms::entered_email(form);
        let ask_again = |mistake| self.ask_again(Form::Email { entered: entered.clone(), mistake });
        let email = match forms::email(&entered, texts) {
            Ok(email) => email,
            Err(mistake) => return ask_again(Some(mistake)).await,
        };
        let auth = &self.pages.auth;
        match auth.reset_email(uid, token, email, auth.is_any_strict(), self.from).await {
            Ok(()) => self.done(),
            Err(error @ Error::Taken(Kind::Email)) => {
                error.note();
                ask_again(Some(texts.taken)).await
            }
            Err(error) => self.failure(&error),
        }
    }

    async fn ask_again(&self, form: Form) -> Response {
        self.show_if_open(StatusCode::UNPROCESSABLE_ENTITY, form).await
    }

    /// Shows the form only if the link is open.
    async fn show_if_open(&self, status: StatusCode, form: Form) -> Response {
        let Link { purpose, uid, token, .. } = &self.link;
        // A GET must not reveal the state of the link by its status.
        let closed = if status == StatusCode::OK { status } else { StatusCode::BAD_REQUEST };
        match self.pages.auth.check_link(*purpose, uid, token).await {
            Ok(LinkState::Open) => self.form(status, form),
            Ok(LinkState::Spent) => self.message(closed, &self.link_texts().spent, Tone::Spent),
            Ok(LinkState::Dead) => self.message(closed, &self.link_texts().dead, Tone::Spent),
            Err(error) => self.failure(&error),
        }
    }

    fn form(&self, status: StatusCode, form: Form) -> Response {
        let (frame, texts) = (self.frame(), self.link_texts());
        match form {
            Form::Button => self.respond(status, &ButtonPage { frame, texts }),
            Form::Password(mistakes) => {
                let fields = &self.texts.password;
                self.respond(status, &PasswordPage { frame, texts, fields, mistakes })
            }
            Form::Email { entered, mistake } => {
                let field = &self.texts.email;
                self.respond(status, &EmailPage { frame, texts, field, entered, mistake })
            }
        }
    }

    fn done(&self) -> Response {
        self.message(StatusCode::OK, &self.link_texts().done, Tone::Good)
    }

    fn failure(&self, error: &Error) -> Response {
        let texts = self.link_texts();
        error.note();
        match error {
            Error::LinkSpent => self.message(StatusCode::BAD_REQUEST, &texts.spent, Tone::Spent),
            Error::UnknownUid
            | Error::LinkInvalid
            | Error::AccountInactive
            | Error::AccountNotFound => {
                self.message(StatusCode::BAD_REQUEST, &texts.dead, Tone::Spent)
            }
            Error::RateLimited { retry_after } => {
                let status = StatusCode::TOO_MANY_REQUESTS;
                self.trouble(status, &self.texts.too_many, Some(*retry_after))
            }
            Error::Busy { retry_after } | Error::AdoptionOpen { retry_after } => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                self.trouble(status, &self.texts.busy, Some(*retry_after))
            }
            // The forms prevent the other errors; one of them is a bug.
            Error::InvalidCredentials
            | Error::WrongPassword
            | Error::Token(_)
            | Error::Taken(_)
            | Error::NoIdentifier
            | Error::PasswordTooLong
            | Error::ReauthenticationRequired
            | Error::CredentialNotAllowed
            | Error::Provider(_)
            | Error::SignIn(_)
            | Error::Client(_)
            | Error::Internal(_) => {
                tracing::error!(%error, "a mailed link failed");
                self.trouble(StatusCode::INTERNAL_SERVER_ERROR, &self.texts.failed, None)
            }
        }
    }

    fn message(&self, status: StatusCode, message: &Message, tone: Tone) -> Response {
        let frame = self.frame();
        self.respond(status, &MessagePage { frame, message, tone, wait: None, again: false })
    }

    /// A failure that does not depend on the link, so that a retry makes sense.
    fn trouble(&self, status: StatusCode, message: &Message, retry_after: Option<i64>) -> Response {
        let wait = retry_after.map(|seconds| wait(self.language, seconds));
        let page = MessagePage { frame: self.frame(), message, tone: Tone::Bad, wait, again: true };
        let mut response = self.respond(status, &page);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn link_texts(&self) -> &'static LinkTexts {
        self.texts.link(self.link.purpose)
    }

    fn frame(&self) -> Frame<'_> {
        Frame::new(self.language, &self.pages.product, &self.link.path).of(self.pages)
    }

    fn respond(&self, status: StatusCode, page: &impl Template) -> Response {
        self.pages.headers.respond(status, self.language, page)
    }
}

/// `?lang=`, else the browser's preference.
pub fn chosen_language(request: &request::Parts) -> Option<Language> {
    let [lang] = forms::values(request.uri.query().unwrap_or_default().as_bytes(), ["lang"]);
    Language::parse(&lang).or_else(|| head::language(&request.headers))
}
