//! Accounts: registering, proving a mailbox, and what their owners change.

use serde::{Deserialize, Deserializer, Serialize};

use crate::Secret;

/// An account as its owner sees it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Account {
    /// Never given to another account.
    pub id: i64,
    /// The e-mail address, as it was written.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub email: Option<String>,
    /// Whether its owner has shown to read mail there.
    pub email_verified: bool,
    /// The address that takes its place once its mailbox has confirmed it.
    #[cfg_attr(feature = "openapi", schema(required))]
    #[serde(default)]
    pub pending_email: Option<String>,
    /// The phone number in E.164.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub phone: Option<String>,
    /// The chosen name to sign in by.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub username: Option<String>,
    /// A name to show; not unique, and nothing signs in by it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub display_name: Option<String>,
    /// Whether a password opens it; without one, only a provider does.
    pub has_password: bool,
    /// When it was made.
    pub created_at: i64,
}

/// `POST accounts`. One identifier at least, each free.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegisterRequest {
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// A name to sign in by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// 8 characters at least, 1 024 bytes at most; white space at its ends does not count.
    pub password: Secret,
    /// A name to show, up to 150 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// What came of a registration, 201.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegisterResponse {
    /// Whether the account signs in at once.
    pub activation: Activation,
    /// The account; absent where the server tells nobody who is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
}

/// Whether an account signs in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// It does.
    Active,
    /// A link was mailed that has to be opened first.
    Mailed,
}

/// `POST accounts/activate`: what stands in a mailed link; answered 204.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActivateRequest {
    /// Names the account.
    pub uid: String,
    /// Works once.
    pub token: Secret,
}

/// `POST accounts/resend` and `POST password/reset`: mail something to this address, 202 whether
/// there is an account or not.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmailRequest {
    /// Where to.
    pub email: String,
}

/// `POST password/reset`: where to mail a link that sets another password; answered 202 whether there
/// is an account or not.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RequestResetRequest {
    /// Where to.
    pub email: String,
    /// S256 of a code verifier that the app keeps (RFC 7636). Where the link leads to the app's own
    /// scheme, it then works for this app alone; without it the link leads to a page of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<String>,
}

/// `POST password/reset/confirm`: what stands in a mailed link, and the new password; answered 204. All
/// sessions end.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfirmResetRequest {
    /// Names the account.
    pub uid: String,
    /// Works once.
    pub token: Secret,
    /// As in [`RegisterRequest::password`].
    pub new_password: Secret,
    /// The verifier of the challenge that the link was asked for with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_verifier: Option<Secret>,
}

/// `PATCH account`: only the members that are there are changed, `null` removes. Identifiers need the
/// current password or a sign-in under five minutes old.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateAccountRequest {
    /// Another e-mail address; a changed one is unproved.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub email: Option<Option<String>>,
    /// Another phone number.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub phone: Option<Option<String>>,
    /// Another name to sign in by.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub username: Option<Option<String>>,
    /// Another name to show, up to 150 characters.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Option<String>>,
    /// The password as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
}

/// `DELETE account`, answered 204. Needs the current password or a sign-in under five minutes old.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeleteAccountRequest {
    /// The password as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
}

/// `POST account/password`: set another one, or a first one; answered 204. All other sessions end.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangePasswordRequest {
    /// As in [`RegisterRequest::password`].
    pub new_password: Secret,
    /// The password as it is; else a sign-in under five minutes old is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
}

/// A member that is there, be it `null`.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}
