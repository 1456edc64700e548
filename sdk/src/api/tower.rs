//! The access token for HTTP clients that are `tower` services, such as those of hyper and tonic.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode, Uri};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use tower_layer::Layer;
use tower_service::Service;
use url::Url;

use super::not_allowed;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::session::CurrentToken;

type BoxError = Box<dyn StdError + Send + Sync>;

/// The gRPC status of a call without a valid token: `UNAUTHENTICATED`.
const GRPC_UNAUTHENTICATED: &str = "16";

/// Attaches the access token to requests of a `tower` client; see [`Client::tower_layer`].
#[derive(Clone, Debug)]
pub struct AccessTokenLayer {
    client: Client,
    connected_to: Option<Url>,
}

/// A `tower` client with an [`AccessTokenLayer`]. Its errors are those of the inner client, or a
/// [`propusk::Error`](crate::Error) if there is no token or the origin is not allowed.
#[derive(Clone, Debug)]
pub struct AccessTokenService<S> {
    inner: S,
    layer: AccessTokenLayer,
}

impl Client {
    /// A layer that attaches the access token to the requests of a `tower` client, such as hyper's
    /// or a channel of tonic, at the origins of [`api`](Self::api). A token that expires soon is
    /// renewed first.
    ///
    /// A body of any type cannot be sent twice. After a 401 or the gRPC status `UNAUTHENTICATED`,
    /// the token is renewed and the answer is returned. If a retry layer above this one sends the
    /// request again, it gets the new token.
    ///
    /// ```no_run
    /// # #[derive(Clone)] struct Channel;
    /// # fn example(client: propusk::Client, channel: Channel) -> propusk::Result<()> {
    /// use tower_layer::Layer as _;
    ///
    /// let layer = client.tower_layer().connected_to("https://grpc.example.org")?;
    /// let channel = layer.layer(channel); // for `TeaClient::new(channel)` of tonic
    /// # Ok(()) }
    /// ```
    pub fn tower_layer(&self) -> AccessTokenLayer {
        AccessTokenLayer { client: self.clone(), connected_to: None }
    }
}

impl AccessTokenLayer {
    /// The origin to which the client is connected, if its requests do not name one, as in tonic's
    /// channels.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) if the origin is not one of [`Client::api`].
    pub fn connected_to(self, origin: &str) -> Result<Self> {
        let url =
            Url::parse(origin).map_err(|_| Error::usage("the address of the API is not a URL"))?;
        match self.client.parts.api.allows(&url) {
            true => Ok(AccessTokenLayer { connected_to: Some(url), ..self }),
            false => Err(not_allowed()),
        }
    }

    fn url_of(&self, uri: &Uri) -> Result<Url> {
        let url = match (&self.connected_to, uri.authority()) {
            (_, Some(_)) => Url::parse(&uri.to_string()).ok(),
            (Some(origin), None) => origin.join(uri.path()).ok(),
            (None, None) => {
                return Err(Error::usage("the request names no origin; see connected_to"));
            }
        };
        url.filter(|url| self.client.parts.api.allows(url)).ok_or_else(not_allowed)
    }

    async fn token_for<B>(&self, request: &mut Request<B>) -> Result<(Url, Arc<CurrentToken>)> {
        let url = self.url_of(request.uri())?;
        let token = self.client.core.fresh_token().await?;
        request.headers_mut().insert(AUTHORIZATION, token.header.clone());
        Ok((url, token))
    }

    async fn learn(&self, url: &Url, token: &CurrentToken, verdict: Verdict) -> Result<()> {
        match verdict {
            Verdict::Accepted => self.client.note_accepted(url),
            Verdict::Refused => drop(self.client.token_after_refusal(url, token).await?),
            Verdict::Unknown => {}
        }
        Ok(())
    }
}

/// What an answer means for the token.
enum Verdict {
    Accepted,
    Refused,
    Unknown,
}

impl Verdict {
    fn of<R>(response: &Response<R>) -> Self {
        let grpc = response.headers().get("grpc-status");
        let is_unauthenticated = grpc.is_some_and(|status| status == GRPC_UNAUTHENTICATED);
        match response.status() {
            StatusCode::UNAUTHORIZED => Verdict::Refused,
            _ if is_unauthenticated => Verdict::Refused,
            // The status of a gRPC call usually follows the answer, in its trailers.
            status if status.is_success() && !is_grpc(response) => Verdict::Accepted,
            _ => Verdict::Unknown,
        }
    }
}

/// Whether the answer is one of gRPC: `application/grpc`, also with a suffix such as `+proto`.
fn is_grpc<R>(response: &Response<R>) -> bool {
    let headers = response.headers();
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let starts_with_grpc = media_type.is_some_and(|value| {
        value.trim_start().to_ascii_lowercase().starts_with("application/grpc")
    });
    starts_with_grpc || headers.contains_key("grpc-status")
}

impl<S> Layer<S> for AccessTokenLayer {
    type Service = AccessTokenService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AccessTokenService { inner, layer: self.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for AccessTokenService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Response<R>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // Use the service that is ready; the clone must become ready first.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (url, token) = layer.token_for(&mut request).await?;
            let response = inner.call(request).await.map_err(Into::into)?;
            layer.learn(&url, &token, Verdict::of(&response)).await?;
            Ok(response)
        })
    }
}
