//! The app's own API, called with the access token: attached, renewed, and the request sent again
//! once if it is refused. A token goes to the origins that the app has named and to no other.

use std::sync::{Mutex, PoisonError};

use propusk_wire::Secret;
use reqwest::header::AUTHORIZATION;
use reqwest::{IntoUrl, Method, Request, RequestBuilder, Response, StatusCode};
use url::{Origin, Url};

use crate::Client;
use crate::error::{Error, Kind, Result};

/// Sends requests of an app with its access token.
///
/// ```no_run
/// # async fn example(client: propusk::Client) -> propusk::Result<()> {
/// let api = client.api();
/// let orders = api.send(api.get("https://api.example.org/orders")).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    http: reqwest::Client,
}

/// What all [`Api`]s of a client share.
pub(crate) struct Shared {
    origins: Vec<Origin>,
    http: reqwest::Client,
    /// Was renewed a moment ago and refused all the same: another renewal would not help.
    useless: Mutex<Option<Secret>>,
}

impl Shared {
    pub fn new(http: reqwest::Client, origins: Vec<Origin>) -> Self {
        Shared { origins, http, useless: Mutex::new(None) }
    }

    fn allows(&self, url: &Url) -> bool {
        self.origins.contains(&url.origin())
    }

    fn is_useless(&self, token: &Secret) -> bool {
        self.useless.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(token)
    }

    fn note_useless(&self, token: Secret) {
        *self.useless.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }
}

impl Client {
    /// Calls to the app's own API, at the server's origin or one of
    /// [`api_origin`](crate::ClientBuilder::api_origin). Redirects are followed within an origin.
    pub fn api(&self) -> Api {
        Api { client: self.clone(), http: self.parts.api.http.clone() }
    }

    /// The same with the app's own HTTP client. One that follows redirects must take
    /// `Authorization` off where they lead to another origin, as reqwest's own policies do.
    pub fn api_with(&self, http: reqwest::Client) -> Api {
        Api { client: self.clone(), http }
    }
}

impl Api {
    /// Begins a `GET`.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.http.get(url)
    }

    /// Begins a `POST`.
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder {
        self.http.post(url)
    }

    /// Begins a request of any method.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// Sends a request with the access token. If it is refused with 401, the token is renewed and the
    /// request sent once more; one whose body is a stream, which cannot be sent twice, is answered as it
    /// was.
    ///
    /// # Errors
    /// [`Kind::Usage`] for another origin: nothing is sent. [`Kind::SignedOut`], [`Kind::Network`],
    /// [`Kind::Later`], [`Kind::Storage`]. An answer of any status is no error.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let request =
            request.build().map_err(|error| Error::because(Kind::Usage, error.without_url()))?;
        self.execute(request).await
    }

    /// The same for a request that is built.
    ///
    /// # Errors
    /// As of [`send`](Self::send).
    pub async fn execute(&self, mut request: Request) -> Result<Response> {
        let shared = &self.client.parts.api;
        if !shared.allows(request.url()) {
            return Err(Error::usage("the access token is not for this origin; see api_origin"));
        }
        let again = request.try_clone();
        let at_hand = self.client.core.at_hand().await?;
        request.headers_mut().insert(AUTHORIZATION, at_hand.header.clone());
        let response = self.http.execute(request).await.map_err(network)?;
        if response.status().is_success() {
            self.client.core.note_answer();
        }
        let token = &at_hand.credential.token;
        let is_refused = response.status() == StatusCode::UNAUTHORIZED
            && shared.allows(response.url())
            && !shared.is_useless(token);
        if !is_refused {
            return Ok(response);
        }
        let next = self.client.core.instead_of(token).await?;
        // A stream is not sent twice; the app's next one has another token.
        let Some(mut again) = again else { return Ok(response) };
        // What one person has sent is not sent again in the name of another.
        if next.credential.token == *token || next.lineage != at_hand.lineage {
            return Ok(response);
        }
        again.headers_mut().insert(AUTHORIZATION, next.header.clone());
        let response = self.http.execute(again).await.map_err(network)?;
        if response.status() == StatusCode::UNAUTHORIZED {
            shared.note_useless(next.credential.token.clone());
        }
        Ok(response)
    }
}

fn network(error: reqwest::Error) -> Error {
    Error::because(Kind::Network, error.without_url())
}
