//! Scripted answers of the fake server.

use std::fmt;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use propusk_wire::ProblemCode;
use serde::Serialize;

use super::reply::{Refusal, Reply};

/// A scripted answer of [`FakeServer`](super::FakeServer), or no answer.
///
/// ```
/// use propusk::ProblemCode;
/// use propusk::testing::Answer;
///
/// let busy = Answer::status(503).header("Retry-After", "7");
/// let orders = Answer::status(200).json(&["tea", "rye bread"]);
/// let refused = Answer::problem(429, ProblemCode::RateLimited);
/// # drop((busy, orders, refused));
/// ```
#[derive(Clone)]
pub struct Answer(pub(super) Plan);

#[derive(Clone)]
pub(super) enum Plan {
    Reply(Reply),
    Closed,
    Lost,
}

impl Answer {
    /// An answer with this status and no body.
    ///
    /// # Panics
    /// If the status is not from 200 to 599.
    pub fn status(status: u16) -> Self {
        Answer(Plan::Reply(Reply::new(final_status(status))))
    }

    /// A refusal in the format of Propusk's own API: a problem document with this code. The app
    /// gets [`ErrorKind::Rejected`](crate::ErrorKind::Rejected), a sign-out if the code means that,
    /// or [`ErrorKind::RetryLater`](crate::ErrorKind::RetryLater) for status 429 and 503.
    ///
    /// # Panics
    /// If the status is not from 200 to 599.
    pub fn problem(status: u16, code: ProblemCode) -> Self {
        let status = final_status(status);
        Answer(Plan::Reply(Refusal::new(status, code).into()))
    }

    /// No answer: the connection is closed, and the server does not process the request.
    pub fn closed() -> Self {
        Answer(Plan::Closed)
    }

    /// The server processes the request, but its answer is lost: the connection is closed.
    pub fn lost() -> Self {
        Answer(Plan::Lost)
    }

    /// Adds a header.
    ///
    /// # Panics
    /// If the name or the value is not valid in a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Plan::Reply(reply) = &mut self.0 {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("the name of a header");
            reply.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
        }
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        if let Plan::Reply(reply) = &mut self.0 {
            reply.body = body.into().into();
        }
        self
    }

    /// Sets the body to JSON and the content type to `application/json`.
    ///
    /// # Panics
    /// If the value cannot be written as JSON.
    #[must_use]
    pub fn json(mut self, body: &(impl Serialize + ?Sized)) -> Self {
        if let Plan::Reply(reply) = &mut self.0 {
            reply.set_json("application/json", body);
        }
        self
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            // Headers and body may contain tokens.
            Plan::Reply(reply) => write!(f, "Answer({})", reply.status.as_u16()),
            Plan::Closed => f.write_str("Answer(closed)"),
            Plan::Lost => f.write_str("Answer(lost)"),
        }
    }
}

fn final_status(status: u16) -> StatusCode {
    assert!((200..=599).contains(&status), "no status of an answer: {status}");
    StatusCode::from_u16(status).expect("a status from 200 to 599")
}
