//! What an import file has: the types of its lines.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::django_users::DjangoUsers;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The other system, for people.
    pub source: Option<String>,
    /// The instant whose state the file has.
    pub taken_at: i64,
    /// For how long the links work that a Django has mailed.
    pub django_link_seconds: Option<u64>,
    /// How far its local time is ahead of UTC, in seconds.
    pub django_utc_offset: Option<i64>,
    /// Whether it stores local times (`USE_TZ` off), on which its links depend.
    pub django_local_times: bool,
    /// Where a Django keeps its users.
    pub django_users: Option<DjangoUsers>,
}

/// A line between the first and the last. No `Debug`: it has names and hashes.
pub enum Record {
    Account(Box<Account>),
    ApiToken(ApiToken),
    RefreshToken(RefreshToken),
    SpentToken(SpentToken),
    Client(Client),
    OpaquePair(OpaquePair),
    Identity(Identity),
    MailedLink(MailedLink),
}

impl Record {
    pub const KINDS: [&str; 8] = [
        "account",
        "api_token",
        "refresh_token",
        "spent_token",
        "oauth_client",
        "oauth_pair",
        "identity",
        "mailed_link",
    ];

    /// One of [`Record::KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Record::Account(_) => "account",
            Record::ApiToken(_) => "api_token",
            Record::RefreshToken(_) => "refresh_token",
            Record::SpentToken(_) => "spent_token",
            Record::Client(_) => "oauth_client",
            Record::OpaquePair(_) => "oauth_pair",
            Record::Identity(_) => "identity",
            Record::MailedLink(_) => "mailed_link",
        }
    }

    /// The account that an earlier line must have.
    pub fn account(&self) -> Option<&SourceId> {
        match self {
            Record::Account(_) | Record::SpentToken(_) | Record::Client(_) => None,
            Record::ApiToken(token) => Some(&token.account),
            Record::RefreshToken(token) => Some(&token.account),
            Record::OpaquePair(pair) => Some(&pair.account),
            Record::Identity(identity) => Some(&identity.account),
            Record::MailedLink(link) => Some(&link.account),
        }
    }
}

/// The id of an account in the other system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SourceId {
    Number(i64),
    Text(String),
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceId::Number(number) => number.fmt(f),
            SourceId::Text(text) => text.fmt(f),
        }
    }
}

/// An account with its names, as the other system has them: they are not checked here, because a
/// name that does not fit must not cost the account.
pub struct Account {
    pub id: SourceId,
    /// What issued tokens call the account, if that is not its id.
    pub foreign_id: Option<SourceId>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub username: Option<String>,
    /// The name that its API shows as the username.
    pub sign_up_name: Option<String>,
    pub display_name: Option<String>,
    /// The stored hash, byte for byte.
    pub password: Option<String>,
    pub email_verified: bool,
    pub phone_verified: bool,
    pub is_active: bool,
    pub awaits_activation: bool,
    pub is_superuser: bool,
    pub joined_at: Option<i64>,
    pub last_sign_in_at: Option<i64>,
    pub language: Option<String>,
    /// Values for claims of tokens.
    pub attributes: Map<String, Value>,
}

/// A token that is looked up, as the `Token` of Django REST framework.
pub struct ApiToken {
    pub account: SourceId,
    pub sha256: String,
    pub created_at: Option<i64>,
}

/// A signed refresh token that is still valid.
pub struct RefreshToken {
    pub account: SourceId,
    pub jti: String,
    pub issued_at: i64,
    pub expires_at: i64,
}

/// A signed refresh token that is refused although it has not expired.
pub struct SpentToken {
    pub jti: String,
    pub expires_at: i64,
}

/// An OAuth 2.0 client application.
pub struct Client {
    pub id: String,
    pub name: Option<String>,
    /// A public client may have one, which it must show where the library asks for it.
    pub secret: Option<ClientSecret>,
    /// It needs no secret to refresh its tokens.
    pub is_public: bool,
    pub allows_password: bool,
}

pub enum ClientSecret {
    Sha256(String),
    /// As Django hashes a password.
    Hashed(String),
}

impl ClientSecret {
    /// The text to store in its place.
    pub fn stored(&self) -> &str {
        match self {
            ClientSecret::Sha256(text) | ClientSecret::Hashed(text) => text,
        }
    }
}

/// The tokens that a client application has for an account: at least one of the two.
pub struct OpaquePair {
    pub account: SourceId,
    pub client: String,
    /// SHA-256 of the access token, and when it expires.
    pub access: Option<(String, i64)>,
    pub refresh_sha256: Option<String>,
    pub scope: Option<String>,
    pub created_at: Option<i64>,
}

/// An account at a provider.
pub struct Identity {
    pub account: SourceId,
    pub provider: String,
    pub key: IdentityKey,
    pub created_at: Option<i64>,
}

pub enum IdentityKey {
    Subject(String),
    /// The other system knows the person at the provider by this address only.
    Email(String),
}

/// A link that was mailed and not opened yet.
pub struct MailedLink {
    pub account: SourceId,
    pub purpose: LinkPurpose,
    pub sha256: String,
    pub expires_at: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPurpose {
    Activation,
    PasswordReset,
}

/// How many lines there are of each kind; kinds without a line may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub(super) BTreeMap<&'static str, u64>);

impl Counts {
    pub fn of(&self, kind: &str) -> u64 {
        self.0.get(kind).copied().unwrap_or_default()
    }
}
