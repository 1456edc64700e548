//! The domain: every rule about accounts, sign-ins, sessions and tokens. It knows no HTTP and no API;
//! an API that serves it describes itself in a [`Policy`].

mod accounts;
mod counting;
mod delivery;
mod federation;
pub mod limits;
mod mailing;
mod numbers;
mod oauth_clients;
mod operator;
pub mod password;
mod restored;
mod revoked;
pub mod secret;
mod secrets;
mod sessions;
mod sign_in;
mod sweeper;
pub mod tokens;

pub use accounts::account::Account;
pub use accounts::identifiers::{Change, NewNames};
pub use accounts::import::{Import, NumberConflict, find_conflict};
pub use accounts::recovery::{Asked, Requested};
pub use accounts::registration::{NewPassword, Registration};
pub use federation::account::Entry;
pub use federation::flow::is_exchanged;
pub use federation::flow::{
    AppLeg, Begun, CODE_LIFETIME, Callback, Failed, ProviderName, Returned, SIGN_IN_LIFETIME,
};
pub use federation::linking::Identity;
pub use federation::redeem::ProviderTokens;
pub use limits::network::Network;
pub use mailing::links::Links;
pub use mailing::one_time_token::{LinkState, OneTimeKey, Purpose, link_challenge};
use mailing::outbox::Post;
pub use mailing::outbox::QueuedMail;
pub use oauth_clients::introspection::Introspected;
pub use oauth_clients::pairs::{
    ClientName, MIN_CLIENT_SECRET, NewClient, OAuthClient, OWN_APPS, OpaquePair,
};
pub use operator::COUNTED_SESSIONS;
use restored::Numbers;
pub use restored::{HIGHEST_NUMBER, NumbersError, check_number_file};
pub use revoked::HEARD_WITHIN;
use revoked::Revoked;
pub use secrets::digest::DigestKey;
pub use secrets::flow_key::FlowKey;
pub use secrets::sealing::SealingKey;
pub use sessions::list::LiveSession;
pub use sessions::reauthentication::Proof;
pub use sessions::session::{Pair, SignedIn};
pub use sign_in::api_token::Key;
pub use sign_in::credentials::Renewed;
pub use sign_in::rotation::{DeviceName, Issued};
pub use sign_in::user_name_tokens::Named;
pub use tokens::derived_refresh::{Attempt, RefreshKey};

use std::sync::Arc;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::error::{Error, Fault, Result, TokenFault};
use crate::identifier::Kind;
use crate::language::Language;
use crate::providers::Providers;
use crate::redirect::Redirects;
use crate::store::Store;
use crate::store::meta::{self, LONGEST_ACCESS};
use limits::places::Places;
use limits::{LimitRules, Limits};
use password::{HashError, Hasher, Password, TooLong};
use sweeper::ClockWatch;
use tokens::hs256::Hs256;
use tokens::signing::{SigningKeys, SigningSettings};
use tokens::simple_jwt::Tokens;
use tokens::token_id::TokenIdKey;

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
    /// How long a spent refresh token whose attempt was not named gets the same answer again.
    pub grace_seconds: i64,
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
    /// Where the link in a mail of this API leads that resets a password.
    pub reset_path: &'static str,
}

impl Policy {
    /// Refuses a refresh while the access token, which ends then, has longer to live than the leeway.
    pub(crate) fn check_refresh_time(&self, access_expires_at: i64, now: i64) -> Result<()> {
        let wait = self.early_refresh_seconds.map_or(0, |leeway| access_expires_at - leeway - now);
        match wait {
            1.. => Err(TokenFault::TooEarly { retry_after: wait }.into()),
            _ => Ok(()),
        }
    }

    /// A password as this API means it: what a client has hashed is taken byte by byte.
    pub(super) fn password(&self, text: &str) -> std::result::Result<Password, TooLong> {
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

/// What the domain is made of.
pub struct Parts {
    pub store: Store,
    pub clock: Clock,
    pub hasher: Hasher,
    /// Signs tokens that name the account's number.
    pub signing_secret: Hs256,
    /// Makes the ids of tokens.
    pub token_ids: TokenIdKey,
    /// Signs tokens that name their user.
    pub user_names: Hs256,
    /// Whether a replaced server signed such tokens with the same key.
    pub shares_user_names: bool,
    pub one_time: OneTimeKey,
    pub flow_key: FlowKey,
    pub refresh_key: RefreshKey,
    pub digest_key: DigestKey,
    /// Signs tokens that anybody can check.
    pub signing: SigningSettings,
    pub providers: Providers,
    pub redirects: Redirects,
    pub links: Links,
    /// The language of mails where nobody says which.
    pub language: Language,
    /// The policies of the APIs that are switched on.
    pub policies: Vec<Policy>,
    pub limits: LimitRules,
    /// Whether tokens are honoured that a replaced server signed with the same key.
    pub accept_foreign: bool,
}

/// The domain's door; shared by everything that serves.
pub struct Auth {
    store: Store,
    clock: Clock,
    hasher: Hasher,
    tokens: Tokens,
    token_ids: TokenIdKey,
    user_names: Hs256,
    shares_user_names: bool,
    post: Post,
    /// Wakes the worker that sends mail.
    mail_queued: Notify,
    providers: Providers,
    redirects: Redirects,
    flow_key: FlowKey,
    refresh_key: RefreshKey,
    signing: SigningKeys,
    policies: Vec<Policy>,
    limits: Arc<Limits>,
    digest_key: DigestKey,
    places: Places,
    revoked: Revoked,
    clock_watch: ClockWatch,
    numbers: Numbers,
    accept_foreign: bool,
}

impl Auth {
    /// Loads what must be known before the first request.
    pub async fn open(parts: Parts) -> Result<Self> {
        let longest_access = longest_access(&parts).await?;
        let token_ids = parts.token_ids.mixed_with(&installation(&parts.store).await?);
        let limits = Arc::new(Limits::new(parts.limits, parts.digest_key.clone()));
        let clock_watch = ClockWatch::new(&parts.clock);
        let auth = Auth {
            store: parts.store,
            clock: parts.clock,
            hasher: parts.hasher,
            tokens: Tokens::new(parts.signing_secret, token_ids.clone()),
            token_ids,
            user_names: parts.user_names,
            shares_user_names: parts.shares_user_names,
            post: Post {
                key: parts.one_time,
                links: parts.links,
                challenge: None,
                reset_path: RESET_PATH,
                language: parts.language,
                limits: Arc::clone(&limits),
            },
            mail_queued: Notify::new(),
            providers: parts.providers,
            redirects: parts.redirects,
            flow_key: parts.flow_key,
            refresh_key: parts.refresh_key,
            signing: SigningKeys::new(parts.signing),
            policies: parts.policies,
            limits,
            places: Places::new(parts.digest_key.clone()),
            digest_key: parts.digest_key,
            revoked: Revoked::new(longest_access),
            clock_watch,
            numbers: Numbers::default(),
            accept_foreign: parts.accept_foreign,
        };
        auth.load_revocations().await?;
        auth.load_counts().await?;
        Ok(auth)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }
}

impl From<HashError> for Error {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Error::Busy { retry_after: 2 },
            other => Error::Internal(Fault::Hashing(other.to_string())),
        }
    }
}

/// The longest life that an access token was ever given here: one made under other settings may
/// still be out, and what was revoked then must not come back.
async fn longest_access(parts: &Parts) -> Result<i64> {
    // Keys are looked up at every use, so they need not hear of anything.
    let expiring = parts.policies.iter().filter(|policy| policy.form != TokenForm::Key);
    let current = expiring.map(|policy| policy.access_seconds).max().unwrap_or(0);
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                let stored = meta::get_or_insert(tx, LONGEST_ACCESS, current.to_string()).await?;
                let stored = stored.parse().unwrap_or(0);
                if stored < current {
                    meta::set(tx, LONGEST_ACCESS, current.to_string()).await?;
                }
                Ok(current.max(stored))
            })
        })
        .await
}

/// A random value that was made with the database. Keys that others must not have, who may have the
/// server's secret, do not follow from that alone.
async fn installation(store: &Store) -> Result<String> {
    let new = mailing::one_time_token::hex(&random::<32>()?);
    store.write(move |tx| Box::pin(meta::get_or_insert(tx, "installation", new))).await
}

/// Random bytes from the operating system.
fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
