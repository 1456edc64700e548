//! How each API spells each operation. Nothing here sends or stores: an operation becomes a
//! [`Call`], which is a request and how its answer is read.

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

pub(crate) use jwt::account_of;

/// The API that a server speaks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dialect {
    /// Propusk's own, `/propusk/v1/…`.
    #[default]
    Native,
    /// djoser with opaque tokens and drf-social-oauth2, `/auth/…`.
    DjoserToken,
    /// JWT pairs, passwords that the app sends hashed, `/authorization/…`.
    Prehashed,
    /// djangorestframework-simplejwt, `/api/auth/{login,…}/`.
    Simplejwt,
    /// djangorestframework-simplejwt with rotation and blacklist, `/token…`.
    SimplejwtRotating,
    /// djoser with SimpleJWT, `/api/auth/{users,jwt,logout}/…`.
    DjoserJwt,
}

impl Dialect {
    /// Every one there is.
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

    /// Tokens that an app has kept until now; what no API has given is refused.
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

/// A request, and how its answer is read.
pub(crate) struct Call<T> {
    pub request: Request,
    pub read: Box<Reader<T>>,
}

type Reader<T> = dyn FnOnce(&Reply) -> Reading<T> + Send;

/// What an answer comes to.
pub(crate) type Reading<T> = std::result::Result<T, Refusal>;

/// What is sent; no `Debug`: it holds secrets.
pub(crate) struct Request {
    pub method: Method,
    /// Below the server's address, beginning with a slash; percent-encoded.
    pub path: String,
    /// Not yet percent-encoded.
    pub query: Vec<(&'static str, Secret)>,
    pub body: Option<Value>,
    /// What goes into `Authorization`.
    pub credential: Option<Credential>,
}

/// An access token, and how it is sent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Credential {
    pub scheme: Scheme,
    pub token: Secret,
}

/// What stands before a token in `Authorization`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scheme {
    Bearer,
    Token,
    /// Nothing.
    Bare,
}

/// What came back; no `Debug`: it holds secrets.
pub(crate) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// What time it is on the server, in seconds since 1970.
    pub server_now: i64,
}

/// Why an answer is not what was asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    /// The server's own word on this request.
    Rejected(Rejection),
    /// The server's own word on the session: only this ends one.
    SignedOut(SignOutReason),
    /// The access token is not taken: after a refresh the request may be sent again.
    Unauthorized,
    /// Nor is any other of this account, which is suspended or gone. The API may renew them all the same.
    AccountInactive,
    /// The server's own word on the refresh token: it was spent before. Whether that was us is not
    /// known here. OAuth has the same word for a token that has expired or was revoked.
    Spent,
    /// The refresh token works once the access token has expired.
    TooEarly,
    /// Later, says the server: 429, 503.
    Later(Duration),
    /// Nothing that the API has: a proxy's page, a failure, an answer that was cut.
    Unexpected,
}

/// What opens and renews a session.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub access: Credential,
    /// Seconds from now, at least 0 and at most a century; `None`: it does not expire, or does not
    /// tell when.
    pub access_lifetime: Option<i64>,
    /// The next refresh token; `None`: the one that is held stays, or the API has none.
    pub refresh: Option<Secret>,
    /// Seconds from now, as for `access_lifetime`.
    pub refresh_lifetime: Option<i64>,
    pub session_id: Option<String>,
    pub profile: Option<Profile>,
}

/// What a refresh is made of.
pub(crate) struct Renewal<'a> {
    pub access: &'a Credential,
    pub refresh: &'a Secret,
    /// Kept before it is sent, so that a lost answer can be had again.
    pub attempt: &'a Secret,
    pub app: &'a App,
}

/// What the app is to the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct App {
    /// What the list of sessions calls this device.
    pub device_name: Option<String>,
    /// The OAuth client of `djoser_token`.
    pub oauth_client: Option<OAuthClient>,
}

/// The OAuth client that an app is on a drf-social-oauth2 server.
#[derive(Clone, Debug)]
pub(crate) struct OAuthClient {
    pub id: String,
    pub secret: Secret,
}

/// How one API spells the operations. What it does not spell, it does not have.
pub(crate) trait Wire: Send + Sync {
    /// What it has.
    fn operations(&self) -> &'static [Operation];

    /// Whether a refresh works only once the access token has expired.
    fn refreshes_after_expiry(&self) -> bool {
        false
    }

    /// Whether a refresh token works once, and the answer to its refresh comes once.
    fn spends_refresh_tokens(&self) -> bool {
        false
    }

    /// Tokens that an app has kept until now, as this API gives them; what has the form of another API
    /// is unsupported.
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

    /// For a person whom [`sign_in_with_token`](Self::sign_in_with_token) does not know (rejected as
    /// `not_found`), where the API registers by a call of its own.
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

    /// Whether the access token works; `false` is the server's own word, be it on the token or on the
    /// session. APIs without such a question are asked for the profile.
    fn verify(&self, _access: &Credential) -> Result<Call<bool>> {
        Err(Error::unsupported(Operation::Verify))
    }

    fn profile(&self, _access: &Credential) -> Result<Call<Profile>> {
        Err(Error::unsupported(Operation::Profile))
    }

    /// Changes the members that are there; one that the API cannot change is an error.
    fn update_profile(
        &self,
        _access: &Credential,
        _changes: &UpdateAccountRequest,
    ) -> Result<Call<Profile>> {
        Err(Error::unsupported(Operation::UpdateProfile))
    }

    /// Whether a reset link can be bound to the app that asks for it, by the challenge of a code
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
