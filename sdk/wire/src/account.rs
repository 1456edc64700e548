//! Accounts: registration, activation and changes.

use serde::{Deserialize, Deserializer, Serialize};

use crate::Secret;

/// An account as its owner sees it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Account {
    /// The id of the account, which is never used again.
    pub id: i64,
    /// The e-mail address, as it was written.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub email: Option<String>,
    /// Whether the address is verified.
    pub email_verified: bool,
    /// The address that replaces the current one after it is confirmed.
    #[cfg_attr(feature = "openapi", schema(required))]
    #[serde(default)]
    pub pending_email: Option<String>,
    /// The phone number in E.164.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub phone: Option<String>,
    /// The username.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub username: Option<String>,
    /// A display name. It is not unique and cannot be used to sign in.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub display_name: Option<String>,
    /// Whether the account has a password. Without one, it signs in only with a provider.
    pub has_password: bool,
    /// When the account was created.
    pub created_at: i64,
}

/// `POST accounts`. At least one identifier is required, and each must be free.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegisterRequest {
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// A username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// At least 8 characters, at most 1 024 bytes. White space at its ends does not count.
    pub password: Secret,
    /// A display name, up to 150 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// The result of a registration, 201.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegisterResponse {
    /// Whether the account can sign in at once.
    pub activation: Activation,
    /// The account. Absent if the server does not reveal who is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
}

/// Whether an account can sign in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// It can.
    Active,
    /// The mailed link must be opened first.
    Mailed,
}

/// `POST accounts/activate`: the contents of a mailed link; answered with 204.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActivateRequest {
    /// The id of the account in mailed links.
    pub uid: String,
    /// The one-time token.
    pub token: Secret,
}

/// `POST accounts/resend` and `POST password/reset`: send a mail to this address; 202 whether or
/// not the account exists.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmailRequest {
    /// The address.
    pub email: String,
}

/// `POST password/reset`: mail a link that resets the password; answered with 202 whether or not
/// the account exists.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RequestResetRequest {
    /// The address.
    pub email: String,
    /// The S256 challenge of a code verifier that the app keeps (RFC 7636). If the link leads to
    /// the app's own scheme, only this app can use it. Without a challenge, the link leads to a
    /// page of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<String>,
}

/// `POST password/reset/confirm`: the contents of a mailed link and the new password; answered with
/// 204. All sessions end.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfirmResetRequest {
    /// The id of the account in mailed links.
    pub uid: String,
    /// The one-time token.
    pub token: Secret,
    /// As in [`RegisterRequest::password`].
    pub new_password: Secret,
    /// The verifier of the challenge with which the link was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_verifier: Option<Secret>,
}

/// `PATCH account`: only the given members change, `null` removes. A change of identifiers needs
/// the current password or a sign-in within the last five minutes.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateAccountRequest {
    /// Another e-mail address. A changed address is not verified.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub email: Option<Option<String>>,
    /// Another phone number.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub phone: Option<Option<String>>,
    /// Another username.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub username: Option<Option<String>>,
    /// Another display name, up to 150 characters.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Option<String>>,
    /// The current password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
}

/// `DELETE account`, answered with 204. It needs the current password or a sign-in within the last
/// five minutes.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeleteAccountRequest {
    /// The current password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
}

/// `POST account/password`: change the password or set a first one; answered with 204. All other
/// sessions end.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangePasswordRequest {
    /// As in [`RegisterRequest::password`].
    pub new_password: Secret,
    /// The current password. Without it, a sign-in within the last five minutes is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
}

/// Keeps a member that is present with the value `null`.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}
