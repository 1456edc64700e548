//! The app's own API, called with the access token: attached, renewed, and the request sent again
//! once if it is refused. A token goes to the origins that the app has named and to no other.

mod request;
#[cfg(feature = "tower")]
mod tower;

use std::sync::Arc;

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Request, Response, StatusCode};
use url::Url;

pub use request::ApiRequest;
#[cfg(feature = "tower")]
pub use tower::{AccessTokenLayer, AccessTokenService};

use crate::api_access::{Endpoint, Http};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::session::{CurrentToken, SignedInUser};

/// Sends requests of an app with its access token.
///
/// ```no_run
/// # async fn example(client: propusk::Client) -> propusk::Result<()> {
/// let api = client.api();
/// let orders = api.get("https://api.example.org/orders").query(&[("page", "2")]).send().await?;
/// let order = serde_json::json!({ "tea": "green", "grams": 100 });
/// let made = api.post("https://api.example.org/orders").json(&order).send().await?;
/// # Ok(()) }
/// ```
///
/// Addresses are absolute, or paths such as `/orders` at the origin of the client's server.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    http: Http,
    /// In whose name alone it sends.
    user: Option<SignedInUser>,
}

impl Client {
    /// Calls to the app's own API, at the server's origin or one of
    /// [`api_origin`](crate::ClientBuilder::api_origin). Redirects are followed within an origin.
    pub fn api(&self) -> Api {
        Api { client: self.clone(), http: self.parts.api.http.clone(), user: None }
    }

    /// The same with the app's own HTTP client. One that follows redirects must take
    /// `Authorization` off where they lead to another origin, as reqwest's own policies do. Its time limits
    /// are the app's affair.
    pub fn api_with_http_client(&self, http: reqwest::Client) -> Api {
        let http = Http { limited: http.clone(), unlimited: http };
        Api { client: self.clone(), http, user: None }
    }
}

impl Api {
    /// The same in the name of this sign-in alone: once somebody else has signed in, nothing is sent, and
    /// the error is [`ErrorKind::OtherSignIn`].
    pub fn for_user(&self, user: &SignedInUser) -> Api {
        Api { user: Some(user.clone()), ..self.clone() }
    }

    /// Begins a `GET`.
    pub fn get(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::GET, url)
    }

    /// Begins a `POST`.
    pub fn post(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::POST, url)
    }

    /// Begins a `PUT`.
    pub fn put(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::PUT, url)
    }

    /// Begins a `PATCH`.
    pub fn patch(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::PATCH, url)
    }

    /// Begins a `DELETE`.
    pub fn delete(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::DELETE, url)
    }

    /// Begins a `HEAD`.
    pub fn head(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::HEAD, url)
    }

    /// Begins a request of any method. An address that begins with a slash, such as `/orders`, is a path
    /// at the origin of the client's server, whatever path the server's own address has. A wrong address
    /// is an error of [`ApiRequest::send`].
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> ApiRequest {
        ApiRequest::new(self.clone(), method, self.resolve(url.as_ref()))
    }

    /// Sends a request that was built elsewhere, as [`ApiRequest::send`] does. An `Authorization` header
    /// that it has is replaced.
    ///
    /// # Errors
    /// As of [`ApiRequest::send`].
    pub async fn execute(&self, request: Request) -> Result<Response> {
        let client = &self.client;
        if !client.parts.api.allows(request.url()) {
            return Err(not_allowed());
        }
        let again = request.try_clone();
        let token = match again {
            Some(_) => client.core.current_token().await?,
            None => client.core.fresh_token().await?,
        };
        if self.user.as_ref().is_some_and(|user| !token.user.is_same(user)) {
            return Err(Error::new(ErrorKind::OtherSignIn));
        }
        let response = self.send_with(request, &token).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let next = client.token_after_refusal(response.url(), &token).await?;
        if self.user.is_some() && !client.core.is_signed_in_as(&token.user) {
            return Err(Error::new(ErrorKind::OtherSignIn));
        }
        match (again, next) {
            (Some(again), Some(next)) => self.send_with(again, &next).await,
            _ => Ok(response),
        }
    }

    async fn send_with(&self, mut request: Request, token: &CurrentToken) -> Result<Response> {
        request.headers_mut().insert(AUTHORIZATION, token.header.clone());
        let http = match request.timeout() {
            Some(_) => &self.http.unlimited,
            None => &self.http.limited,
        };
        let response = http.execute(request).await.map_err(network)?;
        if response.status().is_success() {
            self.client.note_accepted(response.url());
        }
        Ok(response)
    }

    fn resolve(&self, url: &str) -> Result<Url> {
        let base = self.client.core.transport().base();
        let resolved = match url.starts_with('/') {
            // `//host/path` is a path of no origin but its own.
            true => base.join(url).ok().filter(|joined| joined.origin() == base.origin()),
            false => Url::parse(url).ok(),
        };
        let problem = "the address of a request is a URL, or a path that begins with one slash";
        resolved.ok_or_else(|| Error::usage(problem))
    }
}

impl Client {
    /// An endpoint has accepted a token, and there is a network.
    fn note_accepted(&self, url: &Url) {
        self.core.on_server_answer();
        if self.parts.api.allows(url) {
            self.parts.api.refusals().note_accepted(url);
        }
    }

    /// Another token of the same sign-in than this one, which an endpoint has refused; `None` where
    /// there is no other, or another would not help.
    async fn token_after_refusal(
        &self,
        url: &Url,
        refused: &CurrentToken,
    ) -> Result<Option<Arc<CurrentToken>>> {
        let (shared, endpoint) = (&self.parts.api, Endpoint::of(url));
        let (token, now) = (&refused.credential.token, self.core.transport().device_now());
        // A redirect may have led to a stranger.
        if !shared.allows(url) || !shared.refusals().may_renew(&endpoint, refused, now) {
            return Ok(None);
        }
        let next = self.core.replacement_for(token).await?;
        if next.credential.token == *token {
            shared.refusals().note_same_token(&endpoint);
            return Ok(None);
        }
        // What one person has sent is not sent again in the name of another.
        Ok((next.sign_in_id == refused.sign_in_id).then_some(next))
    }
}

fn not_allowed() -> Error {
    Error::usage("the access token is not for this origin; see api_origin")
}

fn network(error: reqwest::Error) -> Error {
    Error::because(ErrorKind::Network, error.without_url())
}
