//! What the server keeps of an account: its events, and all of it as one document.

use serde::{Deserialize, Serialize};

use crate::Secret;

/// `GET account/events`, the newest first. The next page is at `?before=` and the value of `next`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventsResponse {
    /// What has happened to the account, up to 50 events.
    pub events: Vec<Event>,
    /// Where the next page begins; `null` if there is none.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub next: Option<String>,
}

/// Something that happened to an account.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// What happened, such as `signed_in`, `session_ended` or `password_changed`. New names may be
    /// added.
    pub event: String,
    /// When it happened. For `refused`, the start of the hour in which it happened `count` times.
    pub at: i64,
    /// Why or how, such as `signed_out` or `reused` for `session_ended`.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub reason: Option<String>,
    /// The id of the session.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub session_id: Option<String>,
    /// The API that received the request.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub api: Option<String>,
    /// The OAuth client of the session.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub client: Option<String>,
    /// The network of the request, such as `192.0.2.0/24`, or its address, if the server keeps it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub address: Option<String>,
    /// The provider of a sign-in that was linked or unlinked.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub provider: Option<String>,
    /// Whether an operator of the server did it.
    pub by_operator: bool,
    /// How many times it happened.
    pub count: i64,
}

/// `POST account/export`. It needs the current password or a sign-in within the last five minutes.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportRequest {
    /// The current password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
}

/// Everything that the server keeps of an account, except secrets and their hashes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportResponse {
    /// When it was made.
    pub exported_at: i64,
    /// The account itself.
    pub account: ExportedAccount,
    /// Its names, also former e-mail addresses that it can still bring back.
    pub identifiers: Vec<ExportedIdentifier>,
    /// Its accounts at providers.
    pub identities: Vec<ExportedIdentity>,
    /// What another system has said of it, for tokens that this system reads.
    #[serde(default)]
    pub attributes: Vec<ExportedAttribute>,
    /// Its sessions that are kept, also ended ones.
    pub sessions: Vec<ExportedSession>,
    /// The networks where it has signed in. Only a hash of each is kept.
    pub known_networks: Vec<ExportedNetwork>,
    /// Links that were mailed.
    pub links: Vec<ExportedLink>,
    /// Mails that wait, or could not be sent.
    pub mails: Vec<ExportedMail>,
    /// What has happened to it, the newest first.
    pub events: Vec<Event>,
}

/// An attribute of the account in an export.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportedAttribute {
    /// Its name.
    pub name: String,
    /// Its value, as JSON.
    pub value: String,
}

/// The account in an export.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportedAccount {
    /// The id of the account.
    pub id: i64,
    /// The id that it had on another server, if that is no number.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub foreign_id: Option<String>,
    /// The display name.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub display_name: Option<String>,
    /// The name that was given at the registration.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub sign_up_name: Option<String>,
    /// A new e-mail address that waits for its confirmation.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub pending_email: Option<String>,
    /// The language of its mails.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub language: Option<String>,
    /// Whether it may sign in.
    pub active: bool,
    /// Whether its owner has not opened the mailed link yet that activates it.
    pub awaits_activation: bool,
    /// Whether it has a password, which is kept as a hash.
    pub has_password: bool,
    /// Whether a mailed link has set the password.
    pub password_proved: bool,
    /// Whether the password was removed until a mailed link sets another.
    pub password_voided: bool,
    /// When the password was set after a recent sign-in alone.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub password_by_sign_in_at: Option<i64>,
    /// Whether other systems see it as a superuser.
    pub superuser: bool,
    /// Whether it was imported from another server.
    pub imported: bool,
    /// When it was created on that server.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub joined_at: Option<i64>,
    /// When it was created.
    pub created_at: i64,
    /// When it signed in last.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub last_sign_in_at: Option<i64>,
}

/// A name of the account in an export.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportedIdentifier {
    /// `email`, `phone` or `username`.
    pub kind: String,
    /// As it was written.
    pub value: String,
    /// As another server had it, from which the account was imported.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub imported_as: Option<String>,
    /// When it was given to the account.
    pub created_at: i64,
    /// When it was verified.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub verified_at: Option<i64>,
    /// When a mailed link to it removed every other way to sign in.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub owned_at: Option<i64>,
    /// When the account gave it up.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub left_at: Option<i64>,
}

/// An account at a provider in an export, with what the provider reported at the last sign-in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportedIdentity {
    /// The name of the provider.
    pub provider: String,
    /// The provider's id of the user.
    pub subject: String,
    /// The e-mail address.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub email: Option<String>,
    /// Whether the provider has verified the address.
    pub email_verified: bool,
    /// The name.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub name: Option<String>,
    /// The address of a picture.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub avatar_url: Option<String>,
    /// The phone number.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub phone: Option<String>,
    /// When it was linked.
    pub created_at: i64,
    /// When it signed in last.
    pub last_used_at: i64,
    /// When it was linked after a recent sign-in alone.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub linked_by_sign_in_at: Option<i64>,
}

/// A session in an export.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportedSession {
    /// Its id.
    pub id: String,
    /// The name that the device gave itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub device_name: Option<String>,
    /// The API that opened it.
    pub api: String,
    /// The OAuth client for which it was opened.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub client: Option<String>,
    /// What the client's access token allows; `null`: everything.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub scope: Option<String>,
    /// When it was opened.
    pub created_at: i64,
    /// When the owner signed in for it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub signed_in_at: Option<i64>,
    /// When it was last refreshed.
    pub last_used_at: i64,
    /// When its access token expires.
    pub access_expires_at: i64,
    /// When it ends if it is not used.
    pub expires_at: i64,
    /// When it ends even if it is used.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub absolute_expires_at: Option<i64>,
    /// Whether it has ended.
    pub ended: bool,
    /// When it ended, if it did not end together with all others.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub ended_at: Option<i64>,
}

/// A network in an export.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportedNetwork {
    /// When it is forgotten.
    pub known_until: i64,
}

/// A mailed link in an export, without its secret.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportedLink {
    /// What it allows, such as `password_reset`.
    pub purpose: String,
    /// The address that it was mailed to.
    pub address: String,
    /// Whether the current password was sent with the request for it.
    pub by_password: bool,
    /// Whether only the app that asked for it can use it.
    pub bound_to_app: bool,
    /// The accounts at providers that stay linked if it brings back an address.
    pub kept_identities: Vec<KeptIdentity>,
    /// When it was made.
    pub created_at: i64,
    /// When it stops working.
    pub expires_at: i64,
    /// When it was used.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub spent_at: Option<i64>,
}

/// An account at a provider that a mailed link keeps.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeptIdentity {
    /// The name of the provider.
    pub provider: String,
    /// The provider's id of the user.
    pub subject: String,
}

/// A mail in an export, without its content.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportedMail {
    /// Its subject, such as `password_changed`.
    pub kind: String,
    /// The address that it goes to.
    pub recipient: String,
    /// The language that it is written in.
    pub language: String,
    /// The device or the provider that it names.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub about: Option<String>,
    /// When it was queued.
    pub created_at: i64,
    /// When it is tried next.
    pub due_at: i64,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was given up.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub given_up_at: Option<i64>,
    /// What the mail server answered last.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub problem: Option<String>,
}
