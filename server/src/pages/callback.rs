//! The callbacks of providers. The visitor continues in the app that began the sign-in; if no app
//! waits at a link, the client that asked for the sign-in gets the code here, as JSON or on a page.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Response, StatusCode, request};
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Pages;
use super::page::{Frame, MessagePage, Tone};
use super::return_link::link_with;
use super::sign_in_page::{CodePage, Outcome, ReturnPage};
use super::texts::{Message, Texts, wait};
use super::visit::chosen_language;
use crate::auth::{Callback, CallbackFailure, CallbackResult};
use crate::error::{Error, SignInFault};
use crate::language::Language;
use crate::redirect::is_loopback;

/// The callbacks of all providers, with and without the final slash.
pub fn router(pages: &Arc<Pages>) -> Router {
    let mut router = Router::new();
    for provider in pages.auth.providers() {
        for end in ["", "/"] {
            let (pages, name) = (Arc::clone(pages), Arc::<str>::from(provider.name));
            let answer_callback = move |request: Request| {
                let (pages, name) = (Arc::clone(&pages), Arc::clone(&name));
                async move { answer_callback(&pages, &name, request).await }
            };
            // HEAD spends nothing.
            let methods = get(answer_callback).head(|| async { StatusCode::OK });
            router = router.route(&format!("{}{end}", provider.callback_path), methods);
        }
    }
    router
}

async fn answer_callback(pages: &Pages, provider: &str, request: Request) -> Response<Body> {
    let (head, _) = request.into_parts();
    let responder = CallbackResponder::new(pages, provider, &head);
    let from = pages.proxies.client(&head.extensions, &head.headers);
    let callback = read(head.uri.query().unwrap_or_default());
    match pages.auth.handle_callback(provider, callback, from).await {
        Ok(returned) => responder.answer(&returned),
        Err(error) => responder.failure(&error),
    }
}

/// Answers a browser that a provider has sent back.
struct CallbackResponder<'p> {
    pages: &'p Pages,
    title: &'p str,
    language: Language,
    texts: &'static Texts,
    /// The client is a program, not a browser.
    as_json: bool,
}

#[derive(Serialize)]
struct Code<'r> {
    code: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'r str>,
}

impl<'p> CallbackResponder<'p> {
    fn new(pages: &'p Pages, provider: &str, head: &request::Parts) -> Self {
        let language = chosen_language(head).unwrap_or(pages.language);
        let accept =
            head.headers.get(ACCEPT).map(|accept| String::from_utf8_lossy(accept.as_bytes()));
        CallbackResponder {
            pages,
            title: pages.auth.provider_title(provider).unwrap_or_default(),
            language,
            texts: Texts::of(language),
            as_json: !accept.is_some_and(|accept| accept.contains("text/html")),
        }
    }

    fn answer(&self, returned: &CallbackResult) -> Response<Body> {
        match (&returned.redirect, &returned.outcome) {
            (Some(redirect), outcome) => self.to_app(redirect, &returned.state, outcome),
            (None, Ok(code)) => self.code(code, returned.device_id.as_deref()),
            (None, Err(failed)) if self.as_json => {
                self.json(status(*failed), &json!({ "detail": error_code(*failed) }))
            }
            (None, Err(failed)) => {
                let page = ReturnPage {
                    frame: self.frame(),
                    outcome: outcome_of(*failed),
                    provider: self.title,
                    link: None,
                    by_itself: false,
                };
                self.pages.headers.respond(status(*failed), self.language, &page)
            }
        }
    }

    fn to_app(
        &self,
        redirect: &str,
        state: &str,
        outcome: &Result<String, CallbackFailure>,
    ) -> Response<Body> {
        let (pair, outcome) = match outcome {
            Ok(code) => (("code", code.as_str()), Outcome::Confirmed),
            Err(failed) => (("error", error_code(*failed)), outcome_of(*failed)),
        };
        let link = link_with(redirect, &[pair, ("state", state)]);
        let page = ReturnPage {
            frame: self.frame(),
            outcome,
            provider: self.title,
            link: Some(&link),
            by_itself: is_loopback(redirect),
        };
        self.pages.headers.respond(StatusCode::OK, self.language, &page)
    }

    fn code(&self, code: &str, device_id: Option<&str>) -> Response<Body> {
        if self.as_json {
            return self.json(StatusCode::OK, &Code { code, device_id });
        }
        let page = CodePage { frame: self.frame(), code, device_id };
        self.pages.headers.respond(StatusCode::OK, self.language, &page)
    }

    fn failure(&self, error: &Error) -> Response<Body> {
        let texts = &self.texts.sign_in;
        error.note();
        let (status, message, later) = match error {
            Error::SignIn(SignInFault::Unknown) => (StatusCode::BAD_REQUEST, &texts.over, None),
            Error::RateLimited { retry_after } => {
                (StatusCode::TOO_MANY_REQUESTS, &texts.too_many, Some(*retry_after))
            }
            Error::Busy { retry_after } | Error::AdoptionOpen { retry_after } => {
                (StatusCode::SERVICE_UNAVAILABLE, &texts.busy, Some(*retry_after))
            }
            _ => {
                tracing::error!(%error, "a sign-in with a provider failed");
                (StatusCode::INTERNAL_SERVER_ERROR, &self.texts.failed, None)
            }
        };
        let mut response = match self.as_json {
            true => {
                let detail = if status == StatusCode::BAD_REQUEST {
                    "sign_in_unknown"
                } else {
                    status.canonical_reason().unwrap_or_default()
                };
                self.json(status, &json!({ "detail": detail }))
            }
            false => self.message(status, message, later),
        };
        if let Some(seconds) = later {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn message(&self, status: StatusCode, message: &Message, later: Option<i64>) -> Response<Body> {
        let tone = if status == StatusCode::BAD_REQUEST { Tone::Spent } else { Tone::Bad };
        let wait = later.map(|seconds| wait(self.language, seconds));
        let page = MessagePage { frame: self.frame(), message, tone, wait, again: false };
        self.pages.headers.respond(status, self.language, &page)
    }

    fn json(&self, status: StatusCode, body: &impl Serialize) -> Response<Body> {
        let Ok(body) = serde_json::to_vec(body) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut headers = self.pages.headers.of_data();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        (status, headers, body).into_response()
    }

    fn frame(&self) -> Frame<'_> {
        Frame::once(self.language, &self.pages.product).of(self.pages)
    }
}

/// The status for a client that gets the result here; an app gets it by its link.
fn status(failed: CallbackFailure) -> StatusCode {
    match failed {
        CallbackFailure::Cancelled | CallbackFailure::Refused => StatusCode::BAD_REQUEST,
        CallbackFailure::Unavailable => StatusCode::BAD_GATEWAY,
    }
}

fn outcome_of(failed: CallbackFailure) -> Outcome {
    match failed {
        CallbackFailure::Cancelled => Outcome::Cancelled,
        CallbackFailure::Refused => Outcome::Refused,
        CallbackFailure::Unavailable => Outcome::Unreachable,
    }
}

/// The error code for an app; it contains no text of the provider.
fn error_code(failed: CallbackFailure) -> &'static str {
    match failed {
        CallbackFailure::Cancelled => "access_denied",
        CallbackFailure::Refused => "provider_refused",
        CallbackFailure::Unavailable => "provider_unavailable",
    }
}

/// The parameters of a callback, which VK may also send as JSON in one of them. A repeated
/// parameter makes the callback invalid.
fn read(query: &str) -> Callback {
    let mut found: Map<String, Value> = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if NAMES.contains(&&*name) && found.insert(name.into_owned(), value.into()).is_some() {
            return Callback::default();
        }
    }
    if let Some(Value::String(payload)) = found.remove("payload")
        && let Ok(Value::Object(payload)) = serde_json::from_str(&payload)
    {
        for (name, value) in payload.into_iter().filter(|(name, _)| NAMES.contains(&name.as_str()))
        {
            if found.insert(name, value).is_some() {
                return Callback::default();
            }
        }
    }
    let mut text = |name: &str| match found.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    };
    Callback {
        code: text("code"),
        state: text("state"),
        device_id: text("device_id"),
        iss: text("iss"),
        error: text("error"),
        error_description: text("error_description"),
    }
}

const NAMES: [&str; 7] =
    ["code", "state", "device_id", "iss", "error", "error_description", "payload"];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> String {
        let Callback { code, state, device_id, iss, error, error_description } = read(query);
        let parts = [code, state, device_id, iss, error, error_description];
        parts.map(|part| part.unwrap_or_else(|| "-".to_owned())).join(" ")
    }

    #[test]
    fn callback_is_read_from_the_query_or_from_its_payload() {
        assert_eq!(of("code=c&state=s&x=1"), "c s - - - -");
        assert_eq!(
            of("error=access_denied&state=s&error_description=x"),
            "- s - - access_denied x"
        );
        assert_eq!(
            of("code=c&state=s&device_id=d&iss=https%3A%2F%2Fid.example"),
            "c s d https://id.example - -"
        );
        let payload =
            r#"{"code":"c","state":"s","device_id":"d","type":"code_v2","expires_in":600}"#;
        let encoded: String = form_urlencoded::byte_serialize(payload.as_bytes()).collect();
        assert_eq!(of(&format!("payload={encoded}")), "c s d - - -");
    }

    #[test]
    fn callback_ignores_repeated_parameters_and_those_without_text() {
        for query in [
            "code=c&code=d&state=s",
            "code=c&state=s&state=s",
            "state=s&payload=%7B%22state%22:%22t%22%7D",
        ] {
            assert_eq!(of(query), "- - - - - -", "{query}");
        }
        assert_eq!(of("code=&state=s"), "- s - - - -");
        assert_eq!(of("payload=%7B%22code%22:1,%22state%22:%5B%5D%7D"), "- - - - - -");
        assert_eq!(of("payload=garbage&state=s"), "- s - - - -");
    }
}
