//! drf-social-oauth2: exchanges a provider's token for a pair, refreshes it and revokes it.

use propusk_wire::Secret;
use serde::Deserialize;
use serde_json::{Number, json};

use super::unauthorized;
use crate::dialects::drf::refusal;
use crate::dialects::reply::{Token, read, rejection};
use crate::dialects::{
    App, Call, Credential, OAuthClient, Refusal, Renewal, Reply, Request, Scheme, Tokens, jwt,
};
use crate::error::{Error, Result};
use crate::rejection::RejectionCode;

const INACTIVE: &str = "User inactive or deleted.";
const UNREACHABLE: &str = "The authentication provider could not be reached";
const IN_USE: &str = "This account is already in use.";
const NO_BACKEND: &str = "Invalid backend parameter.";
const NO_CLIENT: &str = "Invalid client_id parameter value.";
const PROVIDER_FAILED: &str = "Backend responded with HTTP";

#[derive(Deserialize)]
struct PairResponse {
    access_token: Token,
    /// The library writes a float if it returns the same pair again.
    expires_in: Option<Number>,
    refresh_token: Token,
}

/// RFC 6749 section 5.2.
#[derive(Deserialize)]
struct OAuthError {
    error: String,
    #[serde(default)]
    error_description: Option<String>,
}

pub fn convert(provider: &str, token: &Secret, app: &App) -> Result<Call<Tokens>> {
    let client = client(app)?;
    let body = json!({
        "grant_type": "convert_token",
        "backend": backend(provider),
        "client_id": client.id,
        "client_secret": client.secret,
        "token": token,
    });
    let request = Request::post("/auth/convert-token/", body);
    Ok(Call::new(request, |reply| read(reply, pair, conversion_refusal)))
}

pub fn refresh(renewal: &Renewal<'_>) -> Result<Call<Tokens>> {
    let client = client(renewal.app)?;
    let body = json!({
        "grant_type": "refresh_token",
        "client_id": client.id,
        "client_secret": client.secret,
        "refresh_token": renewal.refresh,
    });
    let request = Request::post("/auth/token/", body);
    Ok(Call::new(request, |reply| read(reply, pair, grant_refusal)))
}

/// Revoking the refresh token also revokes the access token; the library does not do the reverse.
pub fn revoke(access: &Credential, refresh: Option<&Secret>, app: &App) -> Result<Call<()>> {
    let client = client(app)?;
    let body = json!({
        "client_id": client.id,
        "client_secret": client.secret,
        "token": refresh.unwrap_or(&access.token),
    });
    let request = Request::post("/auth/revoke-token/", body).credential(access);
    let call = Call::new(request, |reply| {
        read(reply, Reply::done, |reply| match oauth_error(reply) {
            Some(error) => app_refusal(error),
            None if reply.status == 401 => unauthorized(Scheme::Bearer, reply),
            None => refusal(reply, &[]),
        })
    });
    Ok(call.or_already_ended())
}

fn client(app: &App) -> Result<&OAuthClient> {
    app.oauth_client.as_ref().ok_or_else(|| Error::usage("this API needs an OAuth client"))
}

/// The name of a provider in python-social-auth.
fn backend(provider: &str) -> &str {
    match provider {
        "google" => "google-oauth2",
        "yandex" => "yandex-oauth2",
        "vk" => "vk-oauth2",
        "mail_ru" => "mailru",
        other => other,
    }
}

fn pair(reply: &Reply) -> Option<Tokens> {
    let PairResponse { access_token, expires_in, refresh_token } = reply.json()?;
    let Token(access) = access_token;
    let Token(refresh) = refresh_token;
    Some(Tokens {
        answered_at: reply.server_now,
        access: Credential::new(Scheme::Bearer, access),
        access_lifetime: expires_in.as_ref().and_then(jwt::seconds).map(jwt::lifetime),
        refresh: Some(refresh),
        refresh_lifetime: None,
        session_id: None,
        profile: None,
    })
}

fn oauth_error(reply: &Reply) -> Option<OAuthError> {
    matches!(reply.status, 400 | 401).then(|| reply.json()).flatten()
}

/// `invalid_grant` is the only answer about a refresh token, whether it was spent, revoked or has
/// expired.
fn grant_refusal(reply: &Reply) -> Refusal {
    match oauth_error(reply) {
        Some(error) if reply.status == 400 && error.error == "invalid_grant" => Refusal::Spent,
        Some(error) => app_refusal(error),
        None => refusal(reply, &[]),
    }
}

fn conversion_refusal(reply: &Reply) -> Refusal {
    let Some(error) = oauth_error(reply) else { return refusal(reply, &[]) };
    let said = error.error_description.as_deref().unwrap_or_default();
    let code = match (error.error.as_str(), said) {
        ("invalid_grant", INACTIVE) => RejectionCode::AccountInactive,
        ("access_denied", UNREACHABLE) => RejectionCode::ProviderUnavailable,
        ("access_denied", IN_USE) => RejectionCode::AccountInUse,
        ("access_denied", _) => RejectionCode::ProviderRefused,
        ("invalid_request", NO_BACKEND) => RejectionCode::NotFound,
        ("invalid_request", NO_CLIENT) => RejectionCode::InvalidClient,
        ("invalid_request", said) if said.starts_with(PROVIDER_FAILED) => {
            RejectionCode::ProviderUnavailable
        }
        _ => return app_refusal(error),
    };
    Refusal::Rejected(rejection(code, said))
}

/// A refusal of the app, not of its user, with the error code of OAuth.
fn app_refusal(error: OAuthError) -> Refusal {
    let OAuthError { error, error_description } = error;
    let said = error_description.as_deref().unwrap_or(&error);
    let mut rejection = rejection(error.as_str().into(), said);
    rejection.detail = rejection.detail.filter(|detail| !detail.is_empty());
    Refusal::Rejected(rejection)
}
