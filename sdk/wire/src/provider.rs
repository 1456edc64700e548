//! Sign-in with a provider, and the identities of an account.

use serde::{Deserialize, Serialize};

use crate::Secret;

/// `GET providers`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProvidersResponse {
    /// The configured providers.
    pub providers: Vec<Provider>,
}

/// A provider to choose.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Provider {
    /// The name in paths.
    pub name: String,
    /// The name for users.
    pub title: String,
}

/// `POST providers/{name}/start`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartSignInRequest {
    /// The redirect of the app; it must be allowed.
    pub redirect: String,
    /// The S256 challenge of the app's code verifier (RFC 7636 section 4.2).
    pub code_challenge: String,
    /// Links the identity to the account of the access token instead of signing in. It needs an
    /// access token, and the current password or a sign-in within the last five minutes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub link: bool,
    /// The current password, for `link`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
}

/// A sign-in that continues in a browser.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartSignInResponse {
    /// The address to open in the browser.
    pub authorize_url: String,
    /// The id of the sign-in. It returns to the app with the result.
    pub state: String,
    /// How long the sign-in may take, in seconds.
    pub expires_in: i64,
}

/// `POST providers/complete`, answered with a [`TokenResponse`](crate::TokenResponse).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompleteSignInRequest {
    /// The code that the browser brought to the app.
    pub code: Secret,
    /// The verifier of the challenge.
    pub code_verifier: Secret,
    /// The name of this session in the list of sessions, up to 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
}

/// `POST account/identities`: completes what `start` began with `link`, for the same account. It is
/// answered with 201 and the [`Identity`], also if the identity was linked before.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkRequest {
    /// The code that the browser brought to the app.
    pub code: Secret,
    /// The verifier of the challenge.
    pub code_verifier: Secret,
}

/// `GET account/identities`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IdentitiesResponse {
    /// The identities with which the account signs in.
    pub identities: Vec<Identity>,
}

/// `DELETE account/identities/{provider}/{subject}`, answered with 204. It needs the current
/// password or a sign-in within the last five minutes.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnlinkRequest {
    /// The current password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
}

/// An account at a provider; `DELETE account/identities/{provider}/{subject}` unlinks it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Identity {
    /// The name of the provider in paths.
    pub provider: String,
    /// The provider's id of the user.
    pub subject: String,
    /// The address that the provider reports, verified or not.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub email: Option<String>,
    /// The name that the provider reports.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub name: Option<String>,
    /// The address of a picture.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub avatar_url: Option<String>,
    /// When the identity was linked.
    pub created_at: i64,
    /// When the identity last signed in.
    pub last_used_at: i64,
}
