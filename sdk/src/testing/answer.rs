//! Answers that a test gives to the fake server.

use std::fmt;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use propusk_wire::ProblemCode;
use serde::Serialize;

use super::reply::{Refusal, Reply};

/// What [`FakeServer`](super::FakeServer) answers in place of its own answer, or none at all.
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
    /// This status, without a body.
    ///
    /// # Panics
    /// If it is not from 200 to 599.
    pub fn status(status: u16) -> Self {
        Answer(Plan::Reply(Reply::new(final_status(status))))
    }

    /// A refusal as Propusk's own API writes it: a problem document with this code. An app sees
    /// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected), a sign-out where the code says that, or
    /// [`ErrorKind::RetryLater`](crate::ErrorKind::RetryLater) where the status is 429 or 503.
    ///
    /// # Panics
    /// If the status is not from 200 to 599.
    pub fn problem(status: u16, code: ProblemCode) -> Self {
        let status = final_status(status);
        Answer(Plan::Reply(Refusal::new(status, code).into()))
    }

    /// None: the connection is closed, and the server has not seen the request.
    pub fn closed() -> Self {
        Answer(Plan::Closed)
    }

    /// The server does what the request asks for, and the answer is lost: the connection is closed
    /// in its place.
    pub fn lost() -> Self {
        Answer(Plan::Lost)
    }

    /// With this header in addition.
    ///
    /// # Panics
    /// For a name or a value that no header can have.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Plan::Reply(reply) = &mut self.0 {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("the name of a header");
            reply.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
        }
        self
    }

    /// With this body, as it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        if let Plan::Reply(reply) = &mut self.0 {
            reply.body = body.into().into();
        }
        self
    }

    /// With this body as JSON, and the media type `application/json`.
    ///
    /// # Panics
    /// If it cannot be written as JSON.
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
            // Headers and body may hold tokens.
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
