//! Sessions: sign-in, refresh, and the list of sessions.

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
    /// The name of this session in the list of sessions, up to 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
}

/// The tokens of a session: the answer to a sign-in and to a refresh.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenResponse {
    /// The id of the session; not a secret.
    pub session_id: String,
    /// A JWT, for the `Authorization` header.
    pub access_token: Secret,
    /// `Bearer`.
    pub token_type: String,
    /// How long the access token is valid, in seconds.
    pub expires_in: i64,
    /// Valid for one refresh.
    pub refresh_token: Secret,
    /// How long the refresh token is valid, in seconds.
    pub refresh_expires_in: i64,
    /// The account of the session.
    pub account: Account,
}

/// `POST sessions/refresh`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefreshRequest {
    /// The newest refresh token of the session.
    pub refresh_token: Secret,
    /// Random, 22 to 128 characters of base64url, stored by the client before it is sent. The same
    /// token with the same attempt is answered with the same successor until that is used, so a
    /// lost answer can be requested again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Secret>,
}

/// `DELETE sessions`, and `DELETE sessions/{id}` for another session than the current one. It needs
/// the current password or a sign-in within the last five minutes.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndSessionsRequest {
    /// The current password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
}

/// `GET sessions`, the last used first.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionsResponse {
    /// All sessions of the account that have not ended, of every API.
    pub sessions: Vec<Session>,
}

/// One sign-in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// For `DELETE sessions/{id}`.
    pub id: String,
    /// The name that the device gave itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub device_name: Option<String>,
    /// The API that opened the session.
    pub api: String,
    /// The OAuth client for which the session was opened.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub client: Option<String>,
    /// When the session was opened.
    pub created_at: i64,
    /// When the session was opened or last refreshed.
    pub last_used_at: i64,
    /// When the session ends if it is not used.
    pub expires_at: i64,
    /// Whether this is the session of the request.
    pub current: bool,
}
