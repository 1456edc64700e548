//! The domain: every rule about accounts, sign-ins, sessions and tokens. It knows no HTTP and no API;
//! an API that serves it describes itself in a [`Policy`].

mod account;
mod foreign;
pub mod jwt;
pub mod keys;
pub mod limits;
pub mod password;
mod revocation;
mod session;
mod sign_in;
pub mod token;

pub use account::{Account, Change, NewPassword, Proof, Registration};
pub use revocation::HEARD_WITHIN;
use revocation::Revoked;
pub use session::{Pair, Renewed, SignedIn};

use crate::clock::Clock;
use crate::error::{Error, Fault, Result};
use crate::identifier::Kind;
use crate::store::Store;
use crate::store::{accounts, meta};
use limits::{LimitRules, Limits};
use password::{HashError, Hasher};
use token::Tokens;

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
    /// A refresh answers a new refresh token and spends the old one.
    pub rotating: bool,
    /// Whether a rotating refresh is allowed while the access token is alive.
    pub early_refresh: bool,
}

/// What the domain is made of.
pub struct Parts {
    pub store: Store,
    pub clock: Clock,
    pub hasher: Hasher,
    pub tokens: Tokens,
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
    policies: Vec<Policy>,
    limits: Limits,
    revoked: Revoked,
    accept_foreign: bool,
}

impl Auth {
    /// Loads what must be known before the first request.
    pub async fn open(parts: Parts) -> Result<Self> {
        let longest_access = longest_access(&parts).await?;
        let auth = Auth {
            store: parts.store,
            clock: parts.clock,
            hasher: parts.hasher,
            tokens: parts.tokens,
            policies: parts.policies,
            limits: Limits::new(parts.limits),
            revoked: Revoked::new(longest_access),
            accept_foreign: parts.accept_foreign,
        };
        auth.load_revocations().await?;
        Ok(auth)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }

    /// After an import most passwords have another scheme; an unknown user must cost the same.
    pub async fn choose_dummy(&self) -> Result<()> {
        let mut tx = self.store.read().await?;
        if let Some(stored) = accounts::most_frequent_password(&mut tx).await? {
            self.hasher.set_dummy_scheme(&stored);
        }
        Ok(())
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
    const NAME: &str = "longest_access_seconds";
    let current = parts.policies.iter().map(|policy| policy.access_seconds).max().unwrap_or(0);
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                let stored = meta::get_or_insert(tx, NAME, current.to_string()).await?;
                let stored = stored.parse().unwrap_or(0);
                if stored < current {
                    meta::set(tx, NAME, current.to_string()).await?;
                }
                Ok(current.max(stored))
            })
        })
        .await
}

/// Random bytes from the operating system.
fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
