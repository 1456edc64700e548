//! A request to the app's own API while it is put together.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, RequestBuilder, Response, multipart};
use serde::Serialize;
use url::Url;

use super::Api;
use crate::error::{Error, ErrorKind, Result};

/// A request with the access token; see [`Api`]. What is wrong with it, such as a bad address or a body
/// that is no JSON, is told by [`send`](Self::send).
#[must_use = "nothing is sent before `send`"]
pub struct ApiRequest {
    api: Api,
    builder: Result<RequestBuilder>,
}

impl ApiRequest {
    pub(super) fn new(api: Api, method: Method, url: Result<Url>) -> Self {
        let builder = url.map(|url| api.http.limited.request(method, url));
        ApiRequest { api, builder }
    }

    /// Adds a header. `Authorization` is replaced by the access token.
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

    /// Sets headers; those of the same names that are there already are replaced.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.with(|builder| builder.headers(headers))
    }

    /// Adds pairs to the query of the address, such as `&[("page", "2")]`.
    pub fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        self.with(|builder| builder.query(query))
    }

    /// Sets a JSON body and its `Content-Type`.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        self.with(|builder| builder.json(body))
    }

    /// Sets the body of an HTML form, URL-encoded, and its `Content-Type`.
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

    /// How long this request may take until its answer has been read whole, in place of
    /// [`ClientBuilder::api_timeout`](crate::ClientBuilder::api_timeout).
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|builder| builder.timeout(timeout))
    }

    /// Sends the request with the access token. If it is refused with 401, the token is renewed and the
    /// request sent once more.
    ///
    /// A multipart body or a stream cannot be sent twice. For such a request a token that expires within
    /// a minute is renewed before; if the request is refused all the same, the token is renewed and the
    /// 401 returned, so that the app may send it again.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for another origin than the client's, a bad address, header or body: nothing is
    /// sent. [`ErrorKind::SignedOut`], [`ErrorKind::Network`], [`ErrorKind::RetryLater`], [`ErrorKind::Storage`]. An answer of any
    /// status is no error.
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

/// Neither address, headers nor body: they may hold secrets.
impl fmt::Debug for ApiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiRequest").field("api", &self.api).finish_non_exhaustive()
    }
}
