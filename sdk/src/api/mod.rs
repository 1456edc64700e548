//! Calls to the app's own API with the access token. The token is attached and renewed, and a
//! refused request is sent once more. The token is sent only to origins that the app has allowed.

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
use crate::client::{AccessToken, Client};
use crate::error::{Error, ErrorKind, Result};
use crate::session::{CurrentToken, SignedInUser};

/// Sends an app's requests with its access token.
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
    /// Sends only while this sign-in is the current one. `None`: whichever sign-in is current.
    user: Option<SignedInUser>,
}

impl Client {
    /// Calls to the app's own API, at the server's origin or at one of
    /// [`api_origin`](crate::ClientBuilder::api_origin). Redirects are followed only within an
    /// origin.
    pub fn api(&self) -> Api {
        Api { client: self.clone(), http: self.parts.api.http.clone(), user: None }
    }

    /// As [`api`](Self::api), with the app's own HTTP client. If it follows redirects, it must
    /// remove `Authorization` when the origin changes, as reqwest's own policies do. Its timeouts
    /// apply.
    pub fn api_with_http_client(&self, http: reqwest::Client) -> Api {
        Api { client: self.clone(), http: Http::only(http), user: None }
    }
}

impl Api {
    /// Sends only while this sign-in is the current one. Otherwise nothing is sent, and the error
    /// is [`ErrorKind::OtherSignIn`].
    pub fn for_user(&self, user: &SignedInUser) -> Api {
        Api { user: Some(user.clone()), ..self.clone() }
    }

    /// Starts a `GET` request.
    pub fn get(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::GET, url)
    }

    /// Starts a `POST` request.
    pub fn post(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::POST, url)
    }

    /// Starts a `PUT` request.
    pub fn put(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::PUT, url)
    }

    /// Starts a `PATCH` request.
    pub fn patch(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::PATCH, url)
    }

    /// Starts a `DELETE` request.
    pub fn delete(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::DELETE, url)
    }

    /// Starts a `HEAD` request.
    pub fn head(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::HEAD, url)
    }

    /// Starts a request with any method. An address that begins with a slash, such as `/orders`, is
    /// a path at the origin of the client's server, even if the server's own address has a path.
    /// [`ApiRequest::send`] reports a wrong address.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> ApiRequest {
        ApiRequest::new(self.clone(), method, self.resolve(url.as_ref()))
    }

    /// Sends a request that was built elsewhere, as [`ApiRequest::send`] does. Its `Authorization`
    /// header is replaced.
    ///
    /// # Errors
    /// As of [`ApiRequest::send`].
    pub async fn execute(&self, request: Request) -> Result<Response> {
        let client = &self.client;
        if !client.parts.api.allows(request.url()) {
            return Err(not_allowed());
        }
        client.core.refuse_other_user(self.user.as_ref())?;
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

    /// Whether the access token may be sent to this address. Only HTTP clients of other kinds need
    /// this, [`token_after_refusal`](Self::token_after_refusal) and
    /// [`note_accepted`](Self::note_accepted).
    pub fn allows(&self, url: &Url) -> bool {
        self.client.parts.api.allows(url)
    }

    /// Another access token of the same sign-in, after this address has answered 401 to this one.
    /// `None` if there is no other token, or if another one would not help: an endpoint that keeps
    /// refusing causes one renewal a minute, and an origin that refuses many paths causes few.
    ///
    /// # Errors
    /// Those of [`Client::access_token`].
    pub async fn token_after_refusal(
        &self,
        url: &Url,
        refused: &AccessToken,
    ) -> Result<Option<AccessToken>> {
        Ok(self.client.token_after_refusal(url, &refused.0).await?.map(AccessToken))
    }

    /// This address has answered a request with the token, and not with an error.
    pub fn note_accepted(&self, url: &Url) {
        if self.allows(url) {
            self.client.note_accepted(url);
        }
    }

    async fn send_with(&self, mut request: Request, token: &CurrentToken) -> Result<Response> {
        request.headers_mut().insert(AUTHORIZATION, token.header.clone());
        let http = self.http.of(&request);
        let response = http.execute(request).await.map_err(network)?;
        if response.status().is_success() {
            self.client.note_accepted(response.url());
        }
        Ok(response)
    }

    fn resolve(&self, url: &str) -> Result<Url> {
        let base = self.client.core.transport().base();
        let resolved = match url.starts_with('/') {
            // `//host/path` names another origin.
            true => base.join(url).ok().filter(|joined| joined.origin() == base.origin()),
            false => Url::parse(url).ok(),
        };
        let problem =
            "the address of a request must be a URL, or a path that begins with one slash";
        resolved.ok_or_else(|| Error::usage(problem))
    }
}

impl Client {
    /// An endpoint has accepted a token: the network works.
    fn note_accepted(&self, url: &Url) {
        self.core.on_server_answer();
        if self.parts.api.allows(url) {
            self.parts.api.refusals().note_accepted(url);
        }
    }

    /// Another token of the same sign-in after an endpoint has refused this one. `None` if there is
    /// no other token, or if another one would not help.
    async fn token_after_refusal(
        &self,
        url: &Url,
        refused: &CurrentToken,
    ) -> Result<Option<Arc<CurrentToken>>> {
        let (shared, endpoint) = (&self.parts.api, Endpoint::of(url));
        let (token, now) = (&refused.credential.token, self.core.transport().device_now());
        // A redirect may have led to a foreign origin.
        if !shared.allows(url) || !shared.refusals().may_renew(&endpoint, refused, now) {
            return Ok(None);
        }
        let next = self.core.replacement_for(token).await?;
        if next.credential.token == *token {
            shared.refusals().note_same_token(&endpoint);
            return Ok(None);
        }
        // A request of one user is not repeated in the name of another.
        Ok((next.sign_in_id == refused.sign_in_id).then_some(next))
    }
}

fn not_allowed() -> Error {
    Error::usage("the access token must not be sent to this origin; see api_origin")
}

fn network(error: reqwest::Error) -> Error {
    Error::because(ErrorKind::Network, error.without_url())
}
