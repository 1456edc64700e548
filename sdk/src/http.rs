//! Sends the requests of a dialect and reads the answers, with limits for time, silence and size. It
//! also learns the server's clock from the answers.

mod conditional;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue};
use url::Url;

use crate::clock::{Clock, Moment};
use crate::dialects::{Call, Credential, Refusal, Reply, Request, Scheme};
use crate::error::{Error, ErrorKind, NO_ANSWER_IN_TIME, NoRetryAfter, Unexpected};
use crate::rejection::{Rejection, RejectionCode};

use conditional::Condition;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 1 << 20;
/// The same for a long answer: 100 000 events of an account are about 25 MB.
const MAX_LONG_ANSWER: usize = 1 << 26;
/// How many times the time limit of a request a long answer may need: 10 minutes by default. A
/// server that is silent for the time limit itself is given up.
const LONG_ANSWER_TIMES: u32 = 30;
/// When to try again if a busy server does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);
/// The default time limit of a request.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// The connection to one server.
#[derive(Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    base: Url,
    clock: Clock,
    offset: Arc<AtomicI64>,
    timeout: Duration,
}

/// Why a call has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(Refusal),
    /// The status of an answer that is not part of the API.
    Unexpected(u16),
    Network(reqwest::Error),
    /// The server was silent for too long.
    Silent,
    /// The request was not needed any more when it was about to be sent.
    Outdated,
    /// The request cannot be sent as it is.
    Unsendable(&'static str),
}

impl Transport {
    pub fn new(http: reqwest::Client, base: Url, clock: Clock, timeout: Duration) -> Self {
        Transport { http, base, clock, offset: Arc::new(AtomicI64::new(0)), timeout }
    }

    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The server's origin, as it is stored in the vault.
    pub fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// The server's time, as far as it is known.
    pub fn moment(&self) -> Moment {
        let offset = self.offset.load(Ordering::Relaxed);
        Moment { server: self.clock.now().saturating_add(offset), offset }
    }

    /// The device's time.
    pub fn device_now(&self) -> i64 {
        self.clock.now()
    }

    /// Sets the difference to the server's clock that an earlier process has learned.
    pub fn set_offset(&self, offset: i64) {
        self.offset.store(offset, Ordering::Relaxed);
    }

    /// The time limit of a request.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a call and reads its answer.
    pub async fn send<T>(&self, call: Call<T>) -> std::result::Result<T, Failure> {
        self.exchange(call, None).await
    }

    /// As [`send`](Self::send), but the body is sent only if it is still needed at that moment.
    /// Otherwise the request is aborted.
    pub async fn send_if<T, F>(
        &self,
        call: Call<T>,
        is_still_needed: impl Fn() -> F + Send + Sync + 'static,
    ) -> std::result::Result<T, Failure>
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let condition: Condition = Box::new(move || Box::pin(is_still_needed()));
        self.exchange(call, Some(condition)).await
    }

    async fn exchange<T>(
        &self,
        call: Call<T>,
        condition: Option<Condition>,
    ) -> std::result::Result<T, Failure> {
        let Call { request, read } = call;
        let (reply, sent_at) = self.ask(request, condition).await?;
        let outcome = read(&reply);
        // The page of a proxy says nothing about the server's clock.
        if !matches!(outcome, Err(Refusal::Unexpected | Refusal::Later(_))) {
            self.set_offset(self.learned_offset(reply.server_now, sent_at));
        }
        outcome.map_err(|refusal| match refusal {
            Refusal::Unexpected => Failure::Unexpected(reply.status),
            refusal => Failure::Refused(refusal),
        })
    }

    /// The answer to a request, and when the request was sent by the device's clock.
    async fn ask(
        &self,
        request: Request,
        condition: Option<Condition>,
    ) -> std::result::Result<(Reply, i64), Failure> {
        let mut condition = condition;
        // A request without a body cannot be held back until the connection is open.
        if request.body.is_none()
            && let Some(condition) = condition.take()
            && !condition().await
        {
            return Err(Failure::Outdated);
        }
        let limit = if request.has_long_answer { MAX_LONG_ANSWER } else { MAX_ANSWER };
        let request = self.build(request, condition)?;
        let sent_at = self.clock.now();
        let response = self.unless_silent(request.send()).await?;
        Ok((self.receive(response, limit).await?, sent_at))
    }

    /// Waits for the next part of an answer, for at most the time limit of a request.
    async fn unless_silent<T>(
        &self,
        part: impl Future<Output = reqwest::Result<T>>,
    ) -> std::result::Result<T, Failure> {
        match tokio::time::timeout(self.timeout, part).await {
            Ok(part) => part.map_err(Failure::network),
            Err(_) => Err(Failure::Silent),
        }
    }

    /// How far the server's clock is ahead, after an answer of this time. The answer was made at some
    /// moment between the request and now, which may be hours if the process was suspended: what was
    /// known before stays if it agrees with that.
    fn learned_offset(&self, answered_at: i64, sent_at: i64) -> i64 {
        let least = answered_at.saturating_sub(self.clock.now());
        let most = answered_at.saturating_sub(sent_at);
        // A clock that was set back during the request says nothing.
        self.moment().offset.clamp(least, most.max(least))
    }

    fn build(
        &self,
        request: Request,
        condition: Option<Condition>,
    ) -> std::result::Result<reqwest::RequestBuilder, Failure> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path().trim_end_matches('/'), request.path));
        if !request.query.is_empty() {
            let query = request.query.iter().map(|(name, value)| (*name, value.expose()));
            url.query_pairs_mut().extend_pairs(query);
        }
        let times = if request.has_long_answer { LONG_ANSWER_TIMES } else { 1 };
        let timeout = self.timeout.saturating_mul(times);
        let mut builder = self.http.request(request.method, url).timeout(timeout);
        builder = builder.header(ACCEPT, "application/json");
        if let Some(credential) = &request.credential {
            builder = builder.header(AUTHORIZATION, header_of(credential)?);
        }
        if let Some(body) = request.body {
            let body = match condition {
                Some(condition) => {
                    conditional::body(body.to_string(), condition, self.clock.clone())
                }
                None => body.to_string().into(),
            };
            builder = builder.header(CONTENT_TYPE, "application/json").body(body);
        }
        Ok(builder)
    }

    async fn receive(
        &self,
        mut response: reqwest::Response,
        limit: usize,
    ) -> std::result::Result<Reply, Failure> {
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        while let Some(chunk) = self.unless_silent(response.chunk()).await? {
            if body.len().saturating_add(chunk.len()) > limit {
                return Err(Failure::Unexpected(status));
            }
            body.extend_from_slice(&chunk);
        }
        let server_now = date_of(&headers).unwrap_or_else(|| self.moment().server);
        Ok(Reply { status, headers, body, server_now })
    }
}

impl Failure {
    /// Without the address: it may contain a token.
    fn network(error: reqwest::Error) -> Self {
        Failure::Network(error.without_url())
    }

    /// The kind of error for the app, for calls that do not renew the session.
    pub fn kind(&self) -> ErrorKind {
        match self {
            // The path or method does not exist: this is not a server of this API.
            Failure::Unexpected(404 | 405 | 501) => ErrorKind::Protocol,
            Failure::Network(_)
            | Failure::Silent
            | Failure::Outdated
            | Failure::Unexpected(_)
            | Failure::Refused(Refusal::Unexpected) => ErrorKind::Network,
            Failure::Unsendable(_) => ErrorKind::Usage,
            Failure::Refused(Refusal::AccountInactive) => {
                ErrorKind::Rejected(Rejection::new(RejectionCode::AccountInactive))
            }
            Failure::Refused(Refusal::Rejected(rejection)) => {
                ErrorKind::Rejected(rejection.clone())
            }
            Failure::Refused(Refusal::SignedOut(reason)) => {
                ErrorKind::SignedOut { reason: *reason }
            }
            Failure::Refused(Refusal::Later(after)) => {
                ErrorKind::RetryLater { after: after.unwrap_or(DEFAULT_WAIT) }
            }
            Failure::Refused(Refusal::Unauthorized | Refusal::Spent | Refusal::TooEarly) => {
                ErrorKind::Protocol
            }
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let kind = failure.kind();
        match failure {
            Failure::Network(error) => Error::because(kind, error),
            Failure::Unsendable(problem) => Error::because(kind, problem),
            Failure::Unexpected(status) => Error::because(kind, Unexpected(status)),
            Failure::Silent => Error::explained(kind, NO_ANSWER_IN_TIME),
            Failure::Refused(Refusal::Later(None)) => Error::because(kind, NoRetryAfter),
            Failure::Refused(_) | Failure::Outdated => Error::new(kind),
        }
    }
}

/// The `Authorization` header, marked as sensitive so that logs do not show it.
pub(crate) fn header_of(credential: &Credential) -> std::result::Result<HeaderValue, Failure> {
    let token = credential.token.expose();
    let text = match credential.scheme {
        Scheme::Bearer => format!("Bearer {token}"),
        Scheme::Token => format!("Token {token}"),
        Scheme::Bare => token.to_owned(),
    };
    let mut header = HeaderValue::from_str(&text).map_err(|_| {
        Failure::Unsendable("the token contains bytes that a header cannot contain")
    })?;
    header.set_sensitive(true);
    Ok(header)
}

fn date_of(headers: &HeaderMap) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    seconds(date)
}

fn seconds(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

#[cfg(test)]
mod tests;
