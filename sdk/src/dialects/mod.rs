//! The wire format of each API. Nothing here sends or stores: an operation becomes a [`Call`],
//! which is a request and a function that reads its answer.

mod djoser_jwt;
mod djoser_token;
mod drf;
mod existing_tokens;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod jwt;
pub(crate) mod native;
mod prehashed;
mod reply;
mod request;
mod simplejwt;
mod simplejwt_rotating;
#[cfg(test)]
mod tests;

use std::time::Duration;

use propusk_wire::{Secret, UpdateAccountRequest};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::{MailedLink, Operation, Profile, Registered, Registration};
use crate::error::{Error, Result, SignOutReason};
use crate::rejection::Rejection;
use crate::unknown_members::UnknownMembers;

pub(crate) use jwt::account_of;

/// The API of a server.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dialect {
    /// Propusk's own, `/propusk/v1/…`.
    #[default]
    Native,
    /// djoser with opaque tokens and drf-social-oauth2, `/auth/…`.
    DjoserToken,
    /// JWT pairs; the app sends its passwords hashed, `/authorization/…`.
    Prehashed,
    /// djangorestframework-simplejwt, `/api/auth/{login,…}/`.
    Simplejwt,
    /// djangorestframework-simplejwt with rotation and blacklist, `/token…`.
    SimplejwtRotating,
    /// djoser with SimpleJWT, `/api/auth/{users,jwt,logout}/…`.
    DjoserJwt,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Dialect; 6] = [
        Dialect::Native,
        Dialect::DjoserToken,
        Dialect::Prehashed,
        Dialect::Simplejwt,
        Dialect::SimplejwtRotating,
        Dialect::DjoserJwt,
    ];

    /// Whether the API has the operation.
    pub fn supports(self, operation: Operation) -> bool {
        self.wire().operations().contains(&operation)
    }

    /// Reads existing tokens of an app. Text that cannot be a token is refused.
    pub(crate) fn adopt(
        self,
        kept: &crate::existing_tokens::ExistingTokens,
        now: i64,
    ) -> Result<Tokens> {
        existing_tokens::checked(kept)?;
        self.wire().adopt(kept, now)
    }

    pub(crate) fn wire(self) -> &'static dyn Wire {
        match self {
            Dialect::Native => &native::Native,
            Dialect::DjoserToken => &djoser_token::DjoserToken,
            Dialect::Prehashed => &prehashed::Prehashed,
            Dialect::Simplejwt => &simplejwt::Simplejwt,
            Dialect::SimplejwtRotating => &simplejwt_rotating::SimplejwtRotating,
            Dialect::DjoserJwt => &djoser_jwt::DjoserJwt,
        }
    }
}

/// A request and the function that reads its answer.
pub(crate) struct Call<T> {
    pub request: Request,
    pub read: Box<Reader<T>>,
}

type Reader<T> = dyn FnOnce(&Reply) -> Reading<T> + Send;

/// The result of reading an answer.
pub(crate) type Reading<T> = std::result::Result<T, Refusal>;

/// A request. It has no `Debug`, because it contains secrets.
pub(crate) struct Request {
    pub method: Method,
    /// The path below the server's address, with a leading slash; percent-encoded.
    pub path: String,
    /// Not yet percent-encoded.
    pub query: Vec<(&'static str, Secret)>,
    pub body: Option<Value>,
    /// For the `Authorization` header.
    pub credential: Option<Credential>,
    /// Whether the answer may have many MiB and need minutes.
    pub has_long_answer: bool,
}

/// An access token and its scheme.
#[derive(Clone, Debug, Deserialize, Eq, Serialize)]
pub(crate) struct Credential {
    pub scheme: Scheme,
    pub token: Secret,
    #[serde(flatten)]
    unknown: UnknownMembers,
}

impl Credential {
    pub fn new(scheme: Scheme, token: Secret) -> Self {
        Credential { scheme, token, unknown: UnknownMembers::default() }
    }
}

/// What a newer version has stored with a token does not make it another one.
impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.token == other.token
    }
}

/// The scheme of the `Authorization` header.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scheme {
    Bearer,
    Token,
    /// The token without a scheme.
    Bare,
}

/// An answer. It has no `Debug`, because it contains secrets.
pub(crate) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// The server's time, in seconds since 1970.
    pub server_now: i64,
}

/// Why a call did not succeed.
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    /// The server refuses this request.
    Rejected(Rejection),
    /// The server says that the session has ended. Nothing else ends a session.
    SignedOut(SignOutReason),
    /// The access token is refused. After a refresh the request may be sent again.
    Unauthorized,
    /// The account is suspended or deleted. The API may still renew its tokens.
    AccountInactive,
    /// The server says that the refresh token was used before. It is unknown whether we used it.
    /// OAuth gives the same answer for a token that has expired or was revoked.
    Spent,
    /// The refresh token works only after the access token has expired.
    TooEarly,
    /// Try again later: 429 or 503. `None` if the server does not say when.
    Later(Option<Duration>),
    /// Not an answer of the API: the page of a proxy, a server error, or an incomplete answer.
    Unexpected,
}

/// The tokens of a session, from a sign-in or a refresh.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// The server's time of the answer, in seconds since 1970. Lifetimes count from it.
    pub answered_at: i64,
    pub access: Credential,
    /// Seconds, between 0 and a century. `None` if it does not expire or if the time is
    /// unknown.
    pub access_lifetime: Option<i64>,
    /// The next refresh token. `None` if the current one stays valid, or if the API has none.
    pub refresh: Option<Secret>,
    /// Seconds, as for `access_lifetime`.
    pub refresh_lifetime: Option<i64>,
    pub session_id: Option<String>,
    pub profile: Option<Profile>,
}

/// The inputs of a refresh.
pub(crate) struct Renewal<'a> {
    pub access: &'a Credential,
    pub refresh: &'a Secret,
    /// The attempt id, derived before it is sent, so that a lost answer can be requested again.
    pub attempt: &'a Secret,
    /// Whether the server may spend refresh tokens: the app has said so, or an earlier refresh has
    /// brought a new one.
    pub rotates: bool,
    pub app: &'a App,
}

/// How the app identifies itself to the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct App {
    /// The name of this device in the list of sessions.
    pub device_name: Option<String>,
    /// The OAuth client of `djoser_token`.
    pub oauth_client: Option<OAuthClient>,
}

/// The OAuth client of an app at a drf-social-oauth2 server.
#[derive(Clone, Debug)]
pub(crate) struct OAuthClient {
    pub id: String,
    pub secret: Secret,
}

/// The wire format of one API. Operations without an implementation are not supported.
pub(crate) trait Wire: Send + Sync {
    /// The operations of the API.
    fn operations(&self) -> &'static [Operation];

    /// Whether a refresh works only after the access token has expired.
    fn refreshes_after_expiry(&self) -> bool {
        false
    }

    /// Whether a refresh token works once and a lost answer to its refresh cannot be requested
    /// again.
    fn spends_refresh_tokens(&self) -> bool {
        false
    }

    /// Whether a server of this API can be configured to spend refresh tokens.
    fn can_rotate_refresh_tokens(&self) -> bool {
        self.spends_refresh_tokens()
    }

    /// Reads existing tokens in the format of this API. Another format is unsupported.
    fn adopt(&self, _kept: &crate::existing_tokens::ExistingTokens, _now: i64) -> Result<Tokens> {
        Err(Error::unsupported(Operation::Adopt))
    }

    fn register(&self, _new: &Registration) -> Result<Call<Registered>> {
        Err(Error::unsupported(Operation::Register))
    }

    fn activate(&self, _link: &MailedLink) -> Result<Call<()>> {
        Err(Error::unsupported(Operation::Activate))
    }

    fn resend_activation(&self, _email: &str) -> Result<Call<()>> {
        Err(Error::unsupported(Operation::ResendActivation))
    }

    fn sign_in(&self, _identifier: &str, _password: &Secret, _app: &App) -> Result<Call<Tokens>> {
        Err(Error::unsupported(Operation::SignIn))
    }

    fn sign_in_with_token(
        &self,
        _provider: &str,
        _token: &Secret,
        _app: &App,
    ) -> Result<Call<Tokens>> {
        Err(Error::unsupported(Operation::ProviderTokenSignIn))
    }

    /// Registers a user that is unknown to [`sign_in_with_token`](Self::sign_in_with_token)
    /// (rejected as `not_found`), if the API needs a separate call for that.
    fn register_with_token(
        &self,
        _provider: &str,
        _token: &Secret,
        _app: &App,
    ) -> Result<Call<Tokens>> {
        Err(Error::unsupported(Operation::ProviderTokenSignIn))
    }

    fn refresh(&self, _renewal: &Renewal<'_>) -> Result<Call<Tokens>> {
        Err(Error::unsupported(Operation::Refresh))
    }

    fn sign_out(
        &self,
        _access: &Credential,
        _refresh: Option<&Secret>,
        _app: &App,
    ) -> Result<Call<()>> {
        Err(Error::unsupported(Operation::SignOut))
    }

    /// Whether the access token is valid. `false` is the server's explicit answer about the token
    /// or the session. APIs without such a call are asked for the profile.
    fn verify(&self, _access: &Credential) -> Result<Call<bool>> {
        Err(Error::unsupported(Operation::Verify))
    }

    fn profile(&self, _access: &Credential) -> Result<Call<Profile>> {
        Err(Error::unsupported(Operation::Profile))
    }

    /// Changes the given members. A member that the API cannot change is an error.
    fn update_profile(
        &self,
        _access: &Credential,
        _changes: &UpdateAccountRequest,
    ) -> Result<Call<Profile>> {
        Err(Error::unsupported(Operation::UpdateProfile))
    }

    /// Whether a reset link can be bound to the app that requests it, with the challenge of a code
    /// verifier.
    fn binds_reset_links(&self) -> bool {
        false
    }

    fn request_reset(&self, _email: &str, _challenge: Option<String>) -> Result<Call<()>> {
        Err(Error::unsupported(Operation::RequestReset))
    }

    fn confirm_reset(
        &self,
        _link: &MailedLink,
        _new_password: &Secret,
        _verifier: Option<Secret>,
    ) -> Result<Call<()>> {
        Err(Error::unsupported(Operation::ConfirmReset))
    }

    fn change_password(
        &self,
        _access: &Credential,
        _current: Option<&Secret>,
        _new: &Secret,
    ) -> Result<Call<()>> {
        Err(Error::unsupported(Operation::ChangePassword))
    }

    fn delete_account(&self, _access: &Credential, _current: Option<&Secret>) -> Result<Call<()>> {
        Err(Error::unsupported(Operation::DeleteAccount))
    }
}
