//! Signing in with a provider, and the identities that open an account.

use serde::{Deserialize, Serialize};

use crate::Secret;

/// `GET providers`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProvidersResponse {
    /// Those that are configured.
    pub providers: Vec<Provider>,
}

/// A provider to choose.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Provider {
    /// What it is called in paths.
    pub name: String,
    /// What people call it.
    pub title: String,
}

/// `POST providers/{name}/start`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartSignInRequest {
    /// Where the app waits; it must be allowed.
    pub redirect: String,
    /// S256 of the app's code verifier (RFC 7636 section 4.2).
    pub code_challenge: String,
    /// Link the identity to the account that asks, instead of signing in: needs an access token, and
    /// the current password or a sign-in under five minutes old.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub link: bool,
    /// The password as it is, for `link`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
}

/// A sign-in that goes on in a browser.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartSignInResponse {
    /// What the browser opens.
    pub authorize_url: String,
    /// Comes back to the app with what came of it.
    pub state: String,
    /// Seconds that the sign-in may take.
    pub expires_in: i64,
}

/// `POST providers/complete`, answered with a [`TokenResponse`](crate::TokenResponse).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompleteSignInRequest {
    /// What the browser brought to the app.
    pub code: Secret,
    /// What the challenge was made of.
    pub code_verifier: Secret,
    /// What the list of sessions calls this one, up to 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
}

/// `POST account/identities`: ends what `start` began with `link`, by the same account; answered 201
/// with the [`Identity`], also where it was linked before.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkRequest {
    /// What the browser brought to the app.
    pub code: Secret,
    /// What the challenge was made of.
    pub code_verifier: Secret,
}

/// `GET account/identities`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IdentitiesResponse {
    /// What opens the account beside a password.
    pub identities: Vec<Identity>,
}

/// `DELETE account/identities/{provider}/{subject}`, answered 204. Needs the current password or a
/// sign-in under five minutes old.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnlinkRequest {
    /// The password as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
}

/// An account at a provider; `DELETE account/identities/{provider}/{subject}` unlinks it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Identity {
    /// The provider's name in paths.
    pub provider: String,
    /// The provider's own name for the person.
    pub subject: String,
    /// The address that the provider tells, proved or not.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub email: Option<String>,
    /// The name that the provider tells.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub name: Option<String>,
    /// Where a picture is.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub avatar_url: Option<String>,
    /// When it was linked.
    pub created_at: i64,
    /// When it last signed in.
    pub last_used_at: i64,
}
