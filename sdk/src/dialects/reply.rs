//! What the answers of all APIs have in common: JSON with its content type, tokens that a header
//! can contain, and the time to wait.

use std::time::{Duration, UNIX_EPOCH};

use propusk_wire::Secret;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Reading, Refusal, Reply};
use crate::rejection::{Rejection, RejectionCode};

/// The longest wait in seconds.
const MAX_WAIT: u64 = 3_600;

impl Reply {
    /// The body, if its content type is JSON and all of it is valid JSON. An answer that was
    /// damaged on the way is not used.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        if !self.says_json() {
            return None;
        }
        let whole: Value = serde_json::from_slice(&self.body).ok()?;
        serde_json::from_value(whole).ok()
    }

    /// The body as the server has sent it, on the same conditions. Only the members of `T` are
    /// read, because the whole of a long answer would need much memory.
    pub(super) fn json_text<T: DeserializeOwned>(&self) -> Option<String> {
        let text = std::str::from_utf8(&self.body).ok().filter(|_| self.says_json())?;
        serde_json::from_slice::<T>(&self.body).ok()?;
        Some(text.to_owned())
    }

    /// The sentence of `{"detail": …}`, with which Django REST framework and FastAPI refuse.
    pub(super) fn detail(&self) -> Option<String> {
        match self.json::<Map<String, Value>>()?.remove("detail")? {
            Value::String(sentence) => Some(sentence),
            _ => None,
        }
    }

    /// A success without content: 202 or 204. 200 is not accepted, because captive portals send it.
    pub(super) fn done(&self) -> Option<()> {
        matches!(self.status, 202 | 204).then_some(())
    }

    /// `application/json` or `application/…+json`.
    fn says_json(&self) -> bool {
        let media_type = self.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let subtype = media_type.to_ascii_lowercase();
        subtype
            .strip_prefix("application/")
            .is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
    }

    /// The seconds or the date of `Retry-After`.
    fn retry_after(&self) -> Option<Duration> {
        let value = self.header(RETRY_AFTER.as_str())?.trim();
        let seconds: u64 = value.parse().ok().or_else(|| self.seconds_until(value))?;
        Some(Duration::from_secs(seconds.clamp(1, MAX_WAIT)))
    }

    /// Zero for a date in the past.
    fn seconds_until(&self, date: &str) -> Option<u64> {
        let date = httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(date.as_secs().saturating_sub(u64::try_from(self.server_now).unwrap_or(0)))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Reads an answer. A success that `success` does not recognise is not part of the API. A status of
/// 429 or 503 means waiting; every other error goes to `refusal`.
pub(super) fn read<T>(
    reply: &Reply,
    success: impl FnOnce(&Reply) -> Option<T>,
    refusal: impl FnOnce(&Reply) -> Refusal,
) -> Reading<T> {
    match reply.status {
        200..=299 => success(reply).ok_or(Refusal::Unexpected),
        429 | 503 => Err(Refusal::Later(reply.retry_after())),
        400.. => Err(refusal(reply)),
        _ => Err(Refusal::Unexpected),
    }
}

/// A rejection with one sentence.
pub(super) fn rejection(code: RejectionCode, sentence: impl Into<String>) -> Rejection {
    Rejection { detail: Some(sentence.into()), ..Rejection::new(code) }
}

/// A token in an answer: not empty, and valid in a header.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Token(pub Secret);

impl TryFrom<String> for Token {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match is_sendable(&text) {
            true => Ok(Token(text.into())),
            false => Err("no token"),
        }
    }
}

pub(super) fn is_sendable(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}
