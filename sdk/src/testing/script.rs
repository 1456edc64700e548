//! The requests that the fake server has received, and the script for the next ones.

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

/// A request that the [`FakeServer`](super::FakeServer) has received. Its `Debug` shows only the
/// method and the path, because headers and bodies contain passwords and tokens.
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

    /// The query without the `?`, percent-encoded. Empty if there is none.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The first header with this name, in any case. `None` if there is none or if it is not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body. Empty if there is none.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// If the body is not JSON or does not match the type.
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

/// A request that the [`FakeServer`](super::FakeServer) holds back. Dropping it lets the request
/// continue.
#[derive(Debug)]
#[must_use = "dropping it lets the request go on"]
pub struct HeldRequest(Arc<Gate>);

impl HeldRequest {
    /// Waits until the request has arrived.
    pub async fn arrived(&self) {
        // This value owns the sender, so the channel is never closed.
        let _ = self.0.arrived.subscribe().wait_for(|arrived| *arrived).await;
    }

    /// Lets the request continue: the server answers as usual.
    pub fn release(self) {
        self.0.release(None);
    }

    /// Lets the request continue with this answer.
    pub fn answer(self, answer: Answer) {
        self.0.release(Some(answer));
    }
}

impl Drop for HeldRequest {
    fn drop(&mut self) {
        self.0.release(None);
    }
}

/// Holds back one request.
#[derive(Debug)]
pub(super) struct Gate {
    arrived: watch::Sender<bool>,
    /// Set when the request may continue, with the answer of the test if there is one.
    opened: watch::Sender<Option<Option<Answer>>>,
}

impl Gate {
    /// Waits until the test lets the request continue, and returns its answer.
    pub async fn pass(&self) -> Option<Answer> {
        self.arrived.send_replace(true);
        let mut opened = self.opened.subscribe();
        let answer = opened.wait_for(Option::is_some).await.ok()?.clone();
        answer.flatten()
    }

    /// Only the first call has an effect.
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

/// What to do with a request.
pub(super) enum Step {
    Answer(Answer),
    Hold(Arc<Gate>),
    /// An answer for requests with a valid access token.
    SignedIn(Answer),
}

/// The received requests and the scripted answers.
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

/// An answer for all requests of a route.
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

    /// Records a request and returns its scripted step.
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
