//! What differs between the APIs that sign in: each describes itself in one [`Policy`].

use crate::auth::password::{Password, TooLong};
use crate::config::MAX_SESSIONS;
use crate::error::{Result, TokenFault};
use crate::identifier::Kind;

/// How one API signs in: the rules that differ between APIs. Sessions remember it by name.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub name: &'static str,
    /// Stands in token ids; never give one to another policy. 0 to 15.
    pub code: u8,
    /// What an account signs in by here.
    pub signs_in_by: &'static [Kind],
    /// Lifetimes in seconds.
    pub access_seconds: i64,
    pub refresh_seconds: i64,
    /// How long a session lives at most, however it is used; none: as long as it is used.
    pub absolute_seconds: Option<i64>,
    /// How long a spent refresh token whose attempt was not named gets the same answer again, where
    /// that is a setting.
    pub grace_seconds: Option<i64>,
    /// How many live sessions an account has at most.
    pub max_sessions: i64,
    /// A refresh answers a new refresh token and spends the old one.
    pub rotating: bool,
    /// How long before the access token is over a refresh is granted; `None`: at any time.
    pub early_refresh_seconds: Option<i64>,
    /// Whether answers hide who has an account where the API's document tells it.
    pub strict: bool,
    /// Whether a right password tells that its account is not active.
    pub tells_inactive: bool,
    /// Whether a new e-mail address waits until its mailbox has confirmed it.
    pub new_address_waits: bool,
    /// Whether new accounts wait for their activation, where that is a setting.
    pub activation: Option<bool>,
    /// Whether owners are mailed of a sign-in from a new network, where that is a setting.
    pub new_network_notice: Option<bool>,
    /// What a sign-in is answered with.
    pub form: TokenForm,
    /// Whether its tokens name the account's number as text.
    pub text_id: bool,
    /// The API's own page for a new password; `None`: the server's page at [`RESET_PATH`].
    pub reset_page: Option<ResetPage>,
}

/// An API's own page for a new password.
#[derive(Clone, Copy, Debug)]
pub struct ResetPage {
    /// Without a final slash.
    pub path: &'static str,
    /// The mailed link to it, with `{uid}` and `{token}`.
    pub link: &'static str,
}

impl Policy {
    /// What an API has if it does not say otherwise; it must state its own name, code and kinds of
    /// identifiers.
    pub const BASE: Policy = Policy {
        name: "",
        code: 0,
        signs_in_by: &[],
        access_seconds: 300,
        refresh_seconds: 86_400,
        absolute_seconds: None,
        grace_seconds: None,
        max_sessions: MAX_SESSIONS,
        rotating: false,
        early_refresh_seconds: None,
        strict: false,
        tells_inactive: false,
        new_address_waits: false,
        activation: None,
        new_network_notice: None,
        form: TokenForm::SimpleJwt,
        text_id: false,
        reset_page: None,
    };

    /// Refuses a refresh while the access token, which ends then, has longer to live than the leeway.
    pub(in crate::auth) fn check_refresh_time(
        &self,
        access_expires_at: i64,
        now: i64,
    ) -> Result<()> {
        let wait = self.early_refresh_seconds.map_or(0, |leeway| access_expires_at - leeway - now);
        match wait {
            1.. => Err(TokenFault::TooEarly { retry_after: wait }.into()),
            _ => Ok(()),
        }
    }

    /// A password as this API means it: what a client has hashed is taken byte by byte.
    pub(in crate::auth) fn password(&self, text: &str) -> std::result::Result<Password, TooLong> {
        let password = Password::parse(text)?;
        Ok(match self.form {
            TokenForm::UserName => password.verbatim(),
            TokenForm::SimpleJwt | TokenForm::Key | TokenForm::PublicKey => password,
        })
    }
}

/// What an access credential looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenForm {
    /// A JWT in the shape of djangorestframework-simplejwt.
    SimpleJwt,
    /// A JWT that names its user and carries its header among its claims.
    UserName,
    /// 40 hex digits that say nothing.
    Key,
    /// A JWT that anybody can check by the published keys, with a derived refresh token beside it.
    PublicKey,
}

/// Where a link that resets a password leads if its API has no form of its own.
pub const RESET_PATH: &str = "/auth/reset/{uid}/{token}";
