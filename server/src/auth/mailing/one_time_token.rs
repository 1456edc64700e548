//! One-time tokens: what makes a mailed link work, once and for three days. A token is made of a key
//! and the id of its mail, so that the mail can be written again after a crash while the database
//! knows only the token's hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::auth::secrets::random::{hash, hex};
use crate::error::{Error, Result};
use crate::store::one_time_tokens::{self, OneTimeToken};
use crate::store::{Tx, accounts};

/// How long a link works, in seconds; as Django's `PASSWORD_RESET_TIMEOUT`, its last second included.
pub(in crate::auth) const LIFETIME: i64 = 259_200;
/// How long an address may come back to its account, in seconds.
pub(in crate::auth) const RETURN_LIFETIME: i64 = 7 * 24 * 3_600;
/// 2001-01-01, from which Django's tokens count.
const EPOCH: i64 = 978_307_200;

/// What a token is good for; it opens nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Activation,
    PasswordReset,
    EmailReset,
    /// Proves the mailbox of a new address.
    EmailConfirm,
    /// Brings the address back that the account had before.
    EmailReturn,
}

impl Purpose {
    pub(in crate::auth) fn as_str(self) -> &'static str {
        match self {
            Purpose::Activation => "activation",
            Purpose::PasswordReset => "password_reset",
            Purpose::EmailReset => "email_reset",
            Purpose::EmailConfirm => "email_confirm",
            Purpose::EmailReturn => "email_return",
        }
    }

    /// How long its links work, in seconds, their last second included.
    pub(in crate::auth) fn lifetime(self) -> i64 {
        match self {
            Purpose::Activation
            | Purpose::PasswordReset
            | Purpose::EmailReset
            | Purpose::EmailConfirm => LIFETIME,
            Purpose::EmailReturn => RETURN_LIFETIME,
        }
    }
}

/// What a link would do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    Open,
    /// It has done its work, and nobody has signed in since.
    Spent,
    Dead,
}

/// The key that tokens are made with; no `Debug`.
#[derive(Clone)]
pub struct OneTimeKey(Hmac<Sha256>);

impl OneTimeKey {
    pub fn new(key: [u8; 32]) -> Self {
        OneTimeKey(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
    }

    /// The token of the mail `id`, in the form of Django's: time in base 36, then 32 hex digits.
    pub(in crate::auth) fn token(
        &self,
        purpose: Purpose,
        account_id: i64,
        id: &str,
        created_at: i64,
    ) -> String {
        let made_of = format!("{}\0{account_id}\0{id}", purpose.as_str());
        let mac = self.0.clone().chain_update(made_of).finalize().into_bytes();
        format!("{}-{}", base36(created_at - EPOCH), hex(&mac[..16]))
    }
}

/// S256 of an app's code verifier (RFC 7636 section 4.2).
pub type LinkChallenge = [u8; 32];

/// A challenge as an app writes it, in base64url.
pub fn link_challenge(text: &str) -> Option<LinkChallenge> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

pub(in crate::auth) fn challenge_of_verifier(verifier: &str) -> LinkChallenge {
    Sha256::digest(verifier).into()
}

/// What takes the place of a mailed token that works only with the verifier of this challenge. In the
/// mail is the token alone, of which nobody else can make this.
pub(in crate::auth) fn bound_token(token: &str, challenge: &LinkChallenge) -> String {
    hex(&Sha256::new().chain_update(Sha256::digest(token)).chain_update(challenge).finalize())
}

/// Six digits until the year 2069.
fn base36(seconds: i64) -> String {
    let digit = |place: u32| {
        let value = seconds.max(0) / 36_i64.pow(place) % 36;
        u32::try_from(value).ok().and_then(|value| char::from_digit(value, 36)).unwrap_or('0')
    };
    (0..6).rev().map(digit).collect()
}

/// A token to be stored with its mail to `address`.
pub(in crate::auth) fn row(
    token: &str,
    purpose: Purpose,
    account_id: i64,
    address: &str,
    now: i64,
) -> OneTimeToken {
    OneTimeToken {
        hash: hash(token),
        account_id,
        purpose: purpose.as_str().to_owned(),
        address: address.to_owned(),
        by_password: false,
        is_bound: false,
        kept_identities: None,
        created_at: now,
        expires_at: now + purpose.lifetime() + 1,
        spent_at: None,
    }
}

/// Spends the token and gives what is stored of it, or tells why that cannot be.
pub(in crate::auth) async fn spend(
    tx: &mut Tx,
    purpose: Purpose,
    account_id: i64,
    token: String,
    now: i64,
) -> Result<OneTimeToken> {
    let hash = hash(&token);
    let (by, name) = (hash.clone(), purpose.as_str());
    let spent = one_time_tokens::spend_one_time_token(tx, by, account_id, name, now).await?;
    if let Some(spent) = spent {
        return Ok(spent);
    }
    match state(tx, purpose, account_id, hash, now).await? {
        LinkState::Spent => Err(Error::LinkSpent),
        LinkState::Open | LinkState::Dead => Err(Error::LinkInvalid),
    }
}

/// For whom a link works that is with the account's owner, or on its way there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::auth) enum Out {
    ForAnyone,
    /// Only for the app that asked for it, which may be another's than the owner's.
    ForOneApp,
}

/// What links for this are out, if any is.
pub(in crate::auth) async fn out(
    tx: &mut Tx,
    purpose: Purpose,
    account_id: i64,
    now: i64,
) -> Result<Option<Out>> {
    let all_bound = one_time_tokens::out(tx, account_id, purpose.as_str(), now).await?;
    Ok(all_bound.map(|bound| if bound { Out::ForOneApp } else { Out::ForAnyone }))
}

pub(in crate::auth) async fn state(
    tx: &mut Tx,
    purpose: Purpose,
    account_id: i64,
    hash: String,
    now: i64,
) -> Result<LinkState> {
    let purpose = purpose.as_str();
    let token = one_time_tokens::one_time_token(tx, hash, account_id, purpose, now).await?;
    let Some(token) = token else { return Ok(LinkState::Dead) };
    let Some(spent_at) = token.spent_at else { return Ok(LinkState::Open) };
    let account = accounts::account(tx, account_id).await?;
    let signed_in_since = account.and_then(|account| account.last_sign_in_at) >= Some(spent_at);
    Ok(if signed_in_since { LinkState::Dead } else { LinkState::Spent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_djangos_form_and_depends_on_all_that_it_stands_for() {
        let key = OneTimeKey::new([1; 32]);
        let token = key.token(Purpose::Activation, 1, "id", 1_790_000_000);
        let (time, code) = token.split_once('-').expect("two parts");
        assert_eq!(i64::from_str_radix(time, 36).map(|time| time + EPOCH), Ok(1_790_000_000));
        assert!(time.len() == 6 && code.len() == 32);
        let others = [
            key.token(Purpose::PasswordReset, 1, "id", 1_790_000_000),
            key.token(Purpose::Activation, 2, "id", 1_790_000_000),
            key.token(Purpose::Activation, 1, "di", 1_790_000_000),
            OneTimeKey::new([2; 32]).token(Purpose::Activation, 1, "id", 1_790_000_000),
        ];
        assert!(others.iter().all(|other| *other != token));
    }
}
