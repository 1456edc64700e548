//! The authorization code grant (RFC 6749 section 4.1, RFC 7636), common to all providers.

use std::fmt;

use futures_util::future::BoxFuture;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AccessToken, AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, HttpRequest,
    HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    StandardRevocableToken, TokenResponse, TokenUrl,
};
use reqwest::{Method, Url};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::outbound::{Outbound, ProviderRequest};
use super::profile::Fields;
use super::{Provider, ProviderError};

/// A code from a callback, with the flow's values; no `Debug`.
pub struct Code<'c> {
    pub code: &'c str,
    pub verifier: &'c str,
    pub state: &'c str,
    /// The redirect URI of the authorize URL, if it had one.
    pub redirect_uri: Option<&'c str>,
    pub device_id: Option<&'c str>,
}

/// The tokens that a provider issues for a code.
#[derive(Clone, Deserialize, Serialize)]
pub struct Grant {
    pub access_token: String,
    pub refresh_token: Option<String>,
    /// In seconds.
    pub expires_in: Option<i64>,
    pub id_token: Option<String>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grant [redacted]")
    }
}

/// Exchanges a code at the configured endpoint; the client credentials are in the body, with the
/// `extra` parameters.
pub(super) async fn exchange(
    provider: &Provider,
    code: &Code<'_>,
    extra: &[(&str, &str)],
) -> Result<Grant, ProviderError> {
    let url = provider.endpoints.token.clone().ok_or(ProviderError::Unusable("no token_url"))?;
    exchange_at(provider, url, AuthType::RequestBody, code, extra).await
}

pub(super) async fn exchange_at(
    provider: &Provider,
    token_url: Url,
    auth_type: AuthType,
    code: &Code<'_>,
    extra: &[(&str, &str)],
) -> Result<Grant, ProviderError> {
    let mut client = Client::new(ClientId::new(provider.client_id.clone()))
        .set_token_uri(TokenUrl::from_url(token_url))
        .set_auth_type(auth_type);
    if let Some(secret) = &provider.client_secret {
        client = client.set_client_secret(ClientSecret::new(secret.clone()));
    }
    if let Some(redirect_uri) = code.redirect_uri {
        let url = RedirectUrl::new(redirect_uri.to_owned());
        client = client.set_redirect_uri(url.map_err(|_| ProviderError::Unusable("no redirect"))?);
    }
    let mut request = client
        .exchange_code(AuthorizationCode::new(code.code.to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(code.verifier.to_owned()));
    for (name, value) in extra {
        request = request.add_extra_param(*name, *value);
    }
    let answer =
        request.request_async(&OAuthTransport(&provider.outbound)).await.map_err(|error| {
            match error {
                RequestTokenError::Request(error) => error,
                RequestTokenError::ServerResponse(_) => ProviderError::Refused(String::new()),
                RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                    ProviderError::Unusable("no tokens")
                }
            }
        })?;
    Ok(answer.into())
}

type Client = oauth2::Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// The HTTP client of the `oauth2` crate.
struct OAuthTransport<'o>(&'o Outbound);

impl<'c> AsyncHttpClient<'c> for OAuthTransport<'_> {
    type Error = ProviderError;
    type Future = BoxFuture<'c, Result<HttpResponse, ProviderError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(send(self.0, request))
    }
}

/// Sends a request of the `oauth2` crate, which sees only successes.
async fn send(outbound: &Outbound, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
    let (head, body) = request.into_parts();
    let url = head.uri.to_string().parse().map_err(|_| ProviderError::Unusable("no URL"))?;
    let ask = ProviderRequest {
        method: Method::POST,
        url,
        headers: head.headers,
        body,
        repeatable: false,
    };
    let reply = outbound.send(ask).await?;
    Fields::of(&reply)?;
    Ok(HttpResponse::new(reply.body))
}

/// A token response whose `token_type` may be missing and whose `expires_in` may be a text.
#[derive(Debug, Deserialize, Serialize)]
struct Answer {
    access_token: AccessToken,
    #[serde(default)]
    refresh_token: Option<RefreshToken>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<i64>,
    #[serde(default)]
    id_token: Option<AccessToken>,
    #[serde(skip, default = "bearer")]
    token_type: BasicTokenType,
}

fn bearer() -> BasicTokenType {
    BasicTokenType::Bearer
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

impl TokenResponse for Answer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<std::time::Duration> {
        self.expires_in
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(std::time::Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl From<Answer> for Grant {
    fn from(answer: Answer) -> Self {
        Grant {
            access_token: answer.access_token.into_secret(),
            refresh_token: answer.refresh_token.map(RefreshToken::into_secret),
            expires_in: answer.expires_in,
            id_token: answer.id_token.map(AccessToken::into_secret),
        }
    }
}
