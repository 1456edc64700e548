//! The requests that the fake server has received, and what it does with the next ones.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::answer::Answer;

/// A request that has come to the [`FakeServer`](super::FakeServer). Its `Debug` has the method and the
/// path alone: headers and bodies hold passwords and tokens.
#[derive(Clone)]
pub struct ReceivedRequest {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl ReceivedRequest {
    /// The method, such as `POST`.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path without its query, percent-encoded as it was sent.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query, percent-encoded, without the `?`; empty where there is none.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The first header of this name, in whatever case; `None` where there is none, or it is no
    /// text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body; empty where there is none.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// Where it is none, or has another form.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.body)
    }

    /// The access token of the `Authorization` header.
    pub(super) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    pub(super) async fn read(request: Request<Incoming>) -> hyper::Result<Self> {
        let (head, body) = request.into_parts();
        Ok(ReceivedRequest {
            method: head.method.as_str().to_owned(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }
}

impl fmt::Debug for ReceivedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// A request that the [`FakeServer`](super::FakeServer) keeps waiting. Dropping it lets the request go on.
#[derive(Debug)]
#[must_use = "dropping it lets the request go on"]
pub struct HeldRequest(Arc<Gate>);

impl HeldRequest {
    /// Waits until the request has come; at once where it has.
    pub async fn arrived(&self) {
        // The sender is in this very value, so that it cannot be gone.
        let _ = self.0.arrived.subscribe().wait_for(|arrived| *arrived).await;
    }

    /// Lets the request go on: the server answers it as ever.
    pub fn release(self) {
        self.0.release(None);
    }

    /// Lets the request go on, with this answer.
    pub fn answer(self, answer: Answer) {
        self.0.release(Some(answer));
    }
}

impl Drop for HeldRequest {
    fn drop(&mut self) {
        self.0.release(None);
    }
}

/// Where one request waits.
#[derive(Debug)]
pub(super) struct Gate {
    arrived: watch::Sender<bool>,
    /// Once it is open: the answer, if the test has given one.
    opened: watch::Sender<Option<Option<Answer>>>,
}

impl Gate {
    /// Waits until the test lets the request go on, with the answer that it has given.
    pub async fn pass(&self) -> Option<Answer> {
        self.arrived.send_replace(true);
        let mut opened = self.opened.subscribe();
        let answer = opened.wait_for(Option::is_some).await.ok()?.clone();
        answer.flatten()
    }

    /// The first word counts.
    fn release(&self, answer: Option<Answer>) {
        self.opened.send_if_modified(|opened| {
            let is_first = opened.is_none();
            if is_first {
                *opened = Some(answer);
            }
            is_first
        });
    }
}

/// What is done about one request.
pub(super) enum Step {
    Answer(Answer),
    Hold(Arc<Gate>),
    /// An answer for requests with an access token that is good.
    SignedIn(Answer),
}

/// The requests so far, and the answers for those to come.
#[derive(Default)]
pub(super) struct Script {
    pub seen: Vec<ReceivedRequest>,
    next: VecDeque<(Route, Step)>,
    always: Vec<(Route, PermanentAnswer)>,
}

/// A method and a path.
#[derive(PartialEq)]
struct Route {
    method: String,
    path: String,
}

/// An answer to every request.
struct PermanentAnswer {
    answer: Answer,
    needs_token: bool,
}

impl Script {
    pub fn answer_next(&mut self, method: &str, path: &str, answer: Answer) {
        self.next.push_back((Route::new(method, path), Step::Answer(answer)));
    }

    pub fn hold_next(&mut self, method: &str, path: &str) -> HeldRequest {
        let gate =
            Arc::new(Gate { arrived: watch::Sender::new(false), opened: watch::Sender::new(None) });
        self.next.push_back((Route::new(method, path), Step::Hold(Arc::clone(&gate))));
        HeldRequest(gate)
    }

    pub fn answer_always(&mut self, method: &str, path: &str, answer: Answer, needs_token: bool) {
        let route = Route::new(method, path);
        self.always.retain(|(other, _)| *other != route);
        self.always.push((route, PermanentAnswer { answer, needs_token }));
    }

    /// Notes a request, and returns what the script says of it.
    pub fn receive(&mut self, request: ReceivedRequest) -> Option<Step> {
        let route = Route::new(&request.method, &request.path);
        self.seen.push(request);
        let next = self.next.iter().position(|(meant, _)| *meant == route);
        if let Some((_, step)) = next.and_then(|at| self.next.remove(at)) {
            return Some(step);
        }
        let (_, permanent) = self.always.iter().find(|(meant, _)| *meant == route)?;
        Some(match permanent.needs_token {
            true => Step::SignedIn(permanent.answer.clone()),
            false => Step::Answer(permanent.answer.clone()),
        })
    }
}

impl Route {
    fn new(method: &str, path: &str) -> Self {
        Route { method: method.to_owned(), path: path.to_owned() }
    }
}
