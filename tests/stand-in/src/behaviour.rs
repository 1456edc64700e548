//! The faults that an endpoint can have.

use std::convert::Infallible;
use std::future;
use std::io;
use std::time::Duration;

use futures_util::stream::{self, Stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::Provider;
use crate::answer::{self, Answer, JSON};

const CHUNK: usize = 16 * 1024;
const BETWEEN_BYTES: Duration = Duration::from_millis(500);

/// How an endpoint answers, whatever the request is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Like the real provider.
    #[default]
    Fine,
    /// This status, and the text `provider says no`.
    Status(u16),
    /// The provider's own error object, and status 200.
    ErrorWith200,
    /// Status 200, and a page instead of JSON.
    Garbage,
    /// Status 200, and `{}`.
    EmptyObject,
    /// This many bytes of JSON, streamed without a length.
    Huge(usize),
    /// Status 200, then a byte each half second, for ever.
    Trickle,
    /// The request is read and never answered.
    Never,
    /// Status 307: a client that follows it repeats method and body at that URL.
    RedirectTo(String),
    /// A `Content-Length` that is larger than the body; then the connection ends.
    CutOff,
}

/// The answer of an endpoint with a fault; `None` if it has none.
pub(crate) async fn act(behaviour: Behaviour, provider: Provider) -> Option<Answer> {
    Some(match behaviour {
        Behaviour::Fine => return None,
        Behaviour::Status(code) => says_no(code),
        Behaviour::ErrorWith200 => answer::json(StatusCode::OK, &own_error(provider)),
        Behaviour::Garbage => garbage(),
        Behaviour::EmptyObject => answer::json(StatusCode::OK, &json!({})),
        Behaviour::Huge(length) => streamed(huge(length)),
        Behaviour::Trickle => streamed(trickle()),
        Behaviour::Never => future::pending().await,
        Behaviour::RedirectTo(url) => answer::redirect(StatusCode::TEMPORARY_REDIRECT, &url),
        Behaviour::CutOff => cut_off(),
    })
}

pub(crate) fn says_no(code: u16) -> Answer {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer::text(status, "provider says no")
}

pub(crate) fn garbage() -> Answer {
    answer::html("<html>not json</html>")
}

fn own_error(provider: Provider) -> Value {
    match provider {
        Provider::Google => {
            json!({"error": "invalid_request", "error_description": "Invalid Credentials"})
        }
        Provider::Vk => json!({"error": "server_error", "error_description": "try again later"}),
        Provider::Yandex => {
            json!({"error": "invalid_grant", "error_description": "Code has expired"})
        }
        Provider::MailRu => {
            json!({"error": "invalid token", "error_code": 6, "error_description": "token not found"})
        }
    }
}

/// `{"filler":"aaa…"}`, in pieces.
fn huge(length: usize) -> impl Stream<Item = Bytes> + Send + 'static {
    const START: &[u8] = b"{\"filler\":\"";
    const END: &[u8] = b"\"}";
    let filler = length.saturating_sub(START.len() + END.len());
    let chunk = Bytes::from(vec![b'a'; CHUNK]);
    let whole = std::iter::repeat_n(chunk.clone(), filler / CHUNK);
    let pieces = std::iter::once(Bytes::from_static(START))
        .chain(whole)
        .chain([chunk.slice(..filler % CHUNK), Bytes::from_static(END)]);
    stream::iter(pieces)
}

/// White space, with which JSON may begin: the client cannot know that nothing follows.
fn trickle() -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(false, async |begun| {
        if begun {
            tokio::time::sleep(BETWEEN_BYTES).await;
        }
        Some((Bytes::from_static(b" "), true))
    })
}

fn cut_off() -> Answer {
    let begin = stream::unfold(false, async |begun| {
        if begun {
            // The bytes must leave before the connection ends too early.
            tokio::task::yield_now().await;
            return None;
        }
        Some((Bytes::from_static(b"{\"access_token\":\""), true))
    });
    let mut answer = streamed(begin);
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("1000"));
    answer
}

fn streamed(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Answer {
    use futures_util::StreamExt;
    let frames = pieces.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    let body = StreamBody::new(frames).map_err(io::Error::other).boxed_unsync();
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer
}
