//! What differs between the APIs that sign in: each describes itself in one [`Policy`].

use serde_json::{Map, Value};

use crate::auth::password::{Password, TooLong};
use crate::config::{MAX_SESSIONS, UserIdForm};
use crate::error::{Result, TokenFault};
use crate::identifier::Kind;
use crate::store::accounts::Account;

/// The path of a link that resets a password, unless the API has its own.
pub const RESET_PATH: &str = "/auth/reset/{uid}/{token}";

/// The rules of one API. Sessions store its name.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub name: &'static str,
    /// 1 to 15, part of token ids: never give the code of one policy to another.
    pub code: u8,
    /// The kinds of identifier that this API signs in by.
    pub signs_in_by: &'static [Kind],
    /// The life of an access token.
    pub access_seconds: i64,
    /// The life of a refresh token that is not used.
    pub refresh_seconds: i64,
    /// The longest life of a session that is in use; `None`: no limit.
    pub absolute_seconds: Option<i64>,
    /// How long a spent refresh token gets the same answer again if the client does not name its
    /// attempt; `None`: this API has no such setting.
    pub grace_seconds: Option<i64>,
    /// The highest number of live sessions of an account at this API; a sign-in ends the least
    /// recently used.
    pub max_sessions: i64,
    /// Whether a refresh answers a new refresh token, and spends the old one unless it is reusable.
    pub rotating: bool,
    /// Whether a rotation leaves the old refresh token good until it expires.
    pub reusable: bool,
    /// How long before the access token expires a refresh is allowed; `None`: at any time.
    pub early_refresh_seconds: Option<i64>,
    /// Whether answers hide which accounts exist, also where the API's contract reveals it.
    pub strict: bool,
    /// Whether a sign-in with the right password reports that the account is not active.
    pub reports_inactive: bool,
    /// Whether a new e-mail address is pending until a mailed link confirms it.
    pub new_address_waits: bool,
    /// Whether new accounts must be activated; `None`: this API has no such setting.
    pub activation: Option<bool>,
    /// Whether a replaced Django makes the accounts of this API. Then no API makes any: two people
    /// would get one number.
    pub registers_at_django: bool,
    /// Whether a sign-in from a new network is mailed to the owner; `None`: no such setting.
    pub new_network_notice: Option<bool>,
    /// The form of access credentials.
    pub form: TokenForm,
    /// The form of the account's id in tokens; a foreign id is in answers too.
    pub user_id: UserIdForm,
    /// What a sign-in writes into tokens beside the claims of their form, in this order.
    pub claims: &'static [Claim],
    /// Whether a refresh writes these claims anew, in place of those of its refresh token.
    pub fresh_claims: bool,
    /// Whether an address or phone number that an account does not have is `null` in claims and
    /// members, as in the answers of the API; else it is an empty text.
    pub absent_is_null: bool,
    /// What tokens say of their audience and issuer.
    pub audience: Option<&'static str>,
    pub issuer: Option<&'static str>,
    /// Whether a key of its own signs its tokens; what that key signs is good at this API alone.
    pub own_key: bool,
    /// The API's own page for a new password; `None`: the server's page at [`RESET_PATH`].
    pub reset_page: Option<ResetPage>,
    /// Targets of mailed links, in place of those of all APIs.
    pub links: ApiLinks,
}

impl Policy {
    /// The code of a policy that has no number yet; no token has it.
    pub const UNNUMBERED: u8 = 0;

    /// What an API has if it does not say otherwise; it must state its own name, code and kinds of
    /// identifiers.
    pub const BASE: Policy = Policy {
        name: "",
        code: Policy::UNNUMBERED,
        signs_in_by: &[],
        access_seconds: 300,
        refresh_seconds: 86_400,
        absolute_seconds: None,
        grace_seconds: None,
        max_sessions: MAX_SESSIONS,
        rotating: false,
        reusable: false,
        early_refresh_seconds: None,
        strict: false,
        reports_inactive: false,
        new_address_waits: false,
        activation: None,
        registers_at_django: false,
        new_network_notice: None,
        form: TokenForm::SimpleJwt,
        user_id: UserIdForm::Number,
        claims: &[],
        fresh_claims: false,
        absent_is_null: false,
        audience: None,
        issuer: None,
        own_key: false,
        reset_page: None,
        links: ApiLinks { activation: None, reset: None, email_reset: None },
    };

    /// Whether a refresh spends the refresh token.
    pub(in crate::auth) fn spends(&self) -> bool {
        self.rotating && !self.reusable
    }

    /// What a token of a replaced server is known by: its `jti`, which says nothing about a token
    /// that was signed with another key, or that has another form.
    pub(in crate::auth) fn foreign_token(&self, jti: &str) -> String {
        if self.own_key { format!("api {} {jti}", self.name) } else { jti.to_owned() }
    }

    /// Refuses a refresh that comes earlier than `early_refresh_seconds` before
    /// `access_expires_at`.
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

    /// Reads a password; one that the client has hashed already is compared byte by byte.
    pub(in crate::auth) fn password(&self, text: &str) -> std::result::Result<Password, TooLong> {
        let password = Password::parse(text)?;
        Ok(match self.form {
            TokenForm::UserName => password.verbatim(),
            TokenForm::SimpleJwt | TokenForm::ApiToken | TokenForm::PublicKey => password,
        })
    }
}

/// A claim of the operator's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    pub name: &'static str,
    pub value: AccountValue,
}

/// What a claim, or a member of an answer, says of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountValue {
    /// As answers show it.
    Id,
    /// The name that answers show as `username`.
    Username,
    Email,
    Phone,
    DisplayName,
    IsActive,
    IsSuperuser,
    /// An attribute of this name; `null` if the account has none.
    Attribute(&'static str),
}

impl AccountValue {
    pub fn is_attribute(self) -> bool {
        matches!(self, AccountValue::Attribute(_))
    }

    /// What an API with this policy says. The account is prepared for it by
    /// [`crate::auth::Auth::shown_at`].
    pub fn of(self, policy: &Policy, account: &Account, attributes: &Map<String, Value>) -> Value {
        let text = |text: &Option<String>| Value::String(text.clone().unwrap_or_default());
        match self {
            AccountValue::Email if policy.absent_is_null => account.email.clone().into(),
            AccountValue::Phone if policy.absent_is_null => account.phone.clone().into(),
            AccountValue::Id => account.shown_id(),
            AccountValue::Username => account.display_username().into(),
            AccountValue::Email => text(&account.email),
            AccountValue::Phone => text(&account.phone),
            AccountValue::DisplayName => text(&account.display_name),
            AccountValue::IsActive => account.is_active.into(),
            AccountValue::IsSuperuser => account.is_superuser.into(),
            AccountValue::Attribute(name) => attributes.get(name).cloned().unwrap_or_default(),
        }
    }
}

/// The targets of an API's mailed links, each with `{uid}` and `{token}`; `None`: as for all APIs.
#[derive(Clone, Copy, Debug)]
pub struct ApiLinks {
    pub activation: Option<&'static str>,
    pub reset: Option<&'static str>,
    pub email_reset: Option<&'static str>,
}

/// An API's own page for a new password.
#[derive(Clone, Copy, Debug)]
pub struct ResetPage {
    /// Without a final slash.
    pub path: &'static str,
    /// The mailed link to it, with `{uid}` and `{token}`.
    pub link: &'static str,
}

/// The form of an access credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenForm {
    /// A JWT like those of djangorestframework-simplejwt.
    SimpleJwt,
    /// A JWT whose subject is a user name; it repeats its header in its claims.
    UserName,
    /// An opaque API token of 40 hex digits.
    ApiToken,
    /// A JWT that others verify with the published keys, and a derived refresh token.
    PublicKey,
}
