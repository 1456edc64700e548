//! Sessions: signing in, refreshing, and the list of where somebody is signed in.

use serde::{Deserialize, Serialize};

use crate::{Account, Secret};

/// `POST sessions`: sign in with a password.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignInRequest {
    /// E-mail address, phone number or username.
    pub identifier: String,
    /// The password.
    pub password: Secret,
    /// What the list of sessions calls this one, up to 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
}

/// What opens and renews a session: the answer to a sign-in and to a refresh.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenResponse {
    /// Names the session; not secret.
    pub session_id: String,
    /// A JWT, for the `Authorization` header.
    pub access_token: Secret,
    /// `Bearer`.
    pub token_type: String,
    /// Seconds that the access token lives.
    pub expires_in: i64,
    /// Good for one refresh.
    pub refresh_token: Secret,
    /// Seconds that the refresh token lives.
    pub refresh_expires_in: i64,
    /// Whose session it is.
    pub account: Account,
}

/// `POST sessions/refresh`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefreshRequest {
    /// The newest one of the session.
    pub refresh_token: Secret,
    /// Random, 22 to 128 characters of base64url, kept by the client before it sends: the same token
    /// with the same attempt is answered with the same successor until that has been used, so that a
    /// lost answer costs nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Secret>,
}

/// `DELETE sessions` and `DELETE sessions/{id}` of another session than the own. Needs the current
/// password or a sign-in under five minutes old.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndSessionsRequest {
    /// The password as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
}

/// `GET sessions`, the last used first.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionsResponse {
    /// Every live session of the account, whatever API it was opened by.
    pub sessions: Vec<Session>,
}

/// One sign-in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// For `DELETE sessions/{id}`.
    pub id: String,
    /// What the device called itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub device_name: Option<String>,
    /// The API that it was opened by.
    pub api: String,
    /// The OAuth client that it was opened for.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub client: Option<String>,
    /// When it was opened.
    pub created_at: i64,
    /// When it was opened or last refreshed.
    pub last_used_at: i64,
    /// When it ends if it is not used.
    pub expires_at: i64,
    /// Whether it is the one that asks.
    pub current: bool,
}
