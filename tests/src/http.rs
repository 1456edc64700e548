//! A plain HTTP/1.1 client: it sends exactly the given headers and follows no redirect.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Why an answer did not arrive.
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

    /// Scheme and authority of the server.
    pub fn base(&self) -> &str {
        &self.base
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
        let request = Request::post(path).header("Content-Type", "application/json");
        self.send(request.body(Full::from(body.to_string()))?).await
    }

    /// Posts JSON; a server that does not answer fails the test.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, &[], Some(body)).await
    }

    pub async fn post_as(&self, authorization: &str, path: &str, body: &Value) -> Answer {
        self.request("POST", path, &[("Authorization", authorization)], Some(body)).await
    }

    /// Posts JSON through a proxy, as a client with this address.
    pub async fn post_from(&self, address: &str, path: &str, body: &Value) -> Answer {
        self.request("POST", path, &[("X-Forwarded-For", address)], Some(body)).await
    }

    pub async fn get(&self, path: &str, authorization: Option<&str>) -> Answer {
        self.call("GET", path, authorization, &Value::Null).await
    }

    /// Sends JSON; unlike in a POST, `null` is no body.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: &Value,
    ) -> Answer {
        let header = authorization.map(|authorization| ("Authorization", authorization));
        let body = Some(body).filter(|body| !body.is_null());
        self.request(method, path, header.as_slice(), body).await
    }

    /// Sends JSON, or no body, with any headers.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("Content-Type", "application/json");
        }
        let body = body.map(|body| Full::from(body.to_string())).unwrap_or_default();
        let request = request.body(body).expect("a path and headers of the test's own");
        let outcome = self.send(request).await;
        outcome.unwrap_or_else(|error| panic!("{method} {path} is not answered: {error:?}"))
    }
}

/// A client, or a server that has one.
impl AsRef<Client> for Client {
    fn as_ref(&self) -> &Client {
        self
    }
}

impl Answer {
    /// All values of a header in one line, joined as by a proxy.
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
