//! A plain HTTP/1.1 client: it sends what it is given, headers and all, and follows no redirect.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Whatever kept an answer from arriving.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Talks to one server; clones share its connections.
#[derive(Clone)]
pub struct Client {
    base: String,
    connections: legacy::Client<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    /// `base` is scheme and authority: `http://127.0.0.1:8000`.
    pub fn new(base: impl Into<String>) -> Self {
        let connections = legacy::Client::builder(TokioExecutor::new()).build_http();
        Client { base: base.into(), connections }
    }

    /// Sends a request whose URI is a path.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Answer, Error> {
        *request.uri_mut() = format!("{}{}", self.base, request.uri()).parse()?;
        let (head, body) = self.connections.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// Posts JSON.
    pub async fn try_post(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.post_request(path, body, None).await
    }

    /// Posts JSON; a server that does not answer fails the test.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        answered(path, self.post_request(path, body, None).await)
    }

    pub async fn post_as(&self, authorization: &str, path: &str, body: &Value) -> Answer {
        answered(path, self.post_request(path, body, Some(authorization)).await)
    }

    pub async fn get(&self, path: &str, authorization: Option<&str>) -> Answer {
        let mut request = Request::get(path);
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        let request = request.body(Full::default()).expect("a path and header of the test's own");
        answered(path, self.send(request).await)
    }

    async fn post_request(
        &self,
        path: &str,
        body: &Value,
        authorization: Option<&str>,
    ) -> Result<Answer, Error> {
        let mut request = Request::post(path).header("Content-Type", "application/json");
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        self.send(request.body(Full::from(body.to_string()))?).await
    }
}

fn answered(path: &str, outcome: Result<Answer, Error>) -> Answer {
    outcome.unwrap_or_else(|error| panic!("{path} is not answered: {error:?}"))
}

impl Answer {
    /// All values of a header in one line, as a proxy would join them.
    pub fn header(&self, name: &str) -> Option<String> {
        let values = self.headers.get_all(name).iter();
        let texts: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text()))
    }

    /// A text of the JSON answer, such as a token.
    pub fn field(&self, name: &str) -> String {
        let text = self.json()[name].as_str().map(str::to_owned);
        text.unwrap_or_else(|| panic!("no text {name:?}: {} {}", self.status, self.text()))
    }
}
