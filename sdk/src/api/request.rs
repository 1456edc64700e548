//! Builds a request to the app's own API.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, RequestBuilder, Response, multipart};
use serde::Serialize;
use url::Url;

use super::Api;
use crate::error::{Error, ErrorKind, Result};

/// A request with the access token; see [`Api`]. Errors in it, such as a wrong address or a body
/// that is not JSON, are reported by [`send`](Self::send).
#[must_use = "nothing is sent before `send`"]
pub struct ApiRequest {
    api: Api,
    builder: Result<RequestBuilder>,
}

impl ApiRequest {
    pub(super) fn new(api: Api, method: Method, url: Result<Url>) -> Self {
        let builder = url.map(|url| api.http.any().request(method, url));
        ApiRequest { api, builder }
    }

    /// Adds a header. The access token replaces `Authorization`.
    pub fn header(
        mut self,
        name: impl TryInto<HeaderName>,
        value: impl TryInto<HeaderValue>,
    ) -> Self {
        let header = name.try_into().ok().zip(value.try_into().ok());
        let header = header.ok_or_else(|| Error::usage("a header cannot be sent as it is"));
        self.builder = self.builder.and_then(|builder| {
            let (name, value) = header?;
            Ok(builder.header(name, value))
        });
        self
    }

    /// Sets headers and replaces existing ones with the same names.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.with(|builder| builder.headers(headers))
    }

    /// Adds parameters to the query of the address, such as `&[("page", "2")]`.
    pub fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        self.with(|builder| builder.query(query))
    }

    /// Sets a JSON body and its `Content-Type`.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        self.with(|builder| builder.json(body))
    }

    /// Sets a URL-encoded form body and its `Content-Type`.
    pub fn form<T: Serialize + ?Sized>(self, form: &T) -> Self {
        self.with(|builder| builder.form(form))
    }

    /// Sets a `multipart/form-data` body. It cannot be sent twice: see [`send`](Self::send).
    pub fn multipart(self, form: multipart::Form) -> Self {
        self.with(|builder| builder.multipart(form))
    }

    /// Sets the body. Bytes and text can be sent twice, a stream cannot: see [`send`](Self::send).
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.with(|builder| builder.body(body))
    }

    /// The time limit of this request, until its answer is read completely. It replaces
    /// [`ClientBuilder::api_timeout`](crate::ClientBuilder::api_timeout).
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|builder| builder.timeout(timeout))
    }

    /// Sends the request with the access token. After a 401 the token is renewed and the request is
    /// sent once more.
    ///
    /// A multipart body or a stream cannot be sent twice. For such a request, a token that expires
    /// soon is renewed first. After a 401 the token is renewed and the 401 is returned,
    /// so that the app can send the request again.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an origin that is not allowed, a bad address, header or body:
    /// nothing is sent. [`ErrorKind::SignedOut`], [`ErrorKind::Network`],
    /// [`ErrorKind::RetryLater`], [`ErrorKind::Storage`]. An answer with any status is not an
    /// error.
    pub async fn send(self) -> Result<Response> {
        let request = self.builder?.build();
        let request =
            request.map_err(|error| Error::because(ErrorKind::Usage, error.without_url()))?;
        self.api.execute(request).await
    }

    fn with(mut self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        self.builder = self.builder.map(change);
        self
    }
}

/// Without address, headers and body: they may contain secrets.
impl fmt::Debug for ApiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiRequest").field("api", &self.api).finish_non_exhaustive()
    }
}
