//! One-time tokens: a mailed link with one works once, within three days. A token is derived from a
//! key and the id of its mail, so that the mail can be composed again after a crash although the
//! database has only the token's hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::auth::secrets::random::{hash, hex};
use crate::error::{Error, Result};
use crate::store::one_time_tokens::{self, OneTimeToken};
use crate::store::{Tx, accounts};

/// How long a link works, in seconds, last second included: Django's `PASSWORD_RESET_TIMEOUT`.
pub const LIFETIME: i64 = 259_200;
/// How long a replaced address can be brought back to its account, in seconds.
pub const RETURN_LIFETIME: i64 = 7 * 24 * 3_600;
/// 2001-01-01, the epoch of Django's tokens.
pub const EPOCH: i64 = 978_307_200;

/// The one action that a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Activation,
    PasswordReset,
    EmailReset,
    /// Proves that the owner reads the mailbox of a new address.
    EmailConfirm,
    /// Brings back the address that the account had before.
    EmailReturn,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Activation => "activation",
            Purpose::PasswordReset => "password_reset",
            Purpose::EmailReset => "email_reset",
            Purpose::EmailConfirm => "email_confirm",
            Purpose::EmailReturn => "email_return",
        }
    }

    /// How long its links work, in seconds, last second included.
    pub fn lifetime(self) -> i64 {
        match self {
            Purpose::Activation
            | Purpose::PasswordReset
            | Purpose::EmailReset
            | Purpose::EmailConfirm => LIFETIME,
            Purpose::EmailReturn => RETURN_LIFETIME,
        }
    }
}

/// The state of a link at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    Open,
    /// Used, and there was no sign-in since.
    Spent,
    /// Unknown, expired, or used before the latest sign-in.
    Dead,
}

/// Derives tokens; no `Debug`.
#[derive(Clone)]
pub struct OneTimeKey(Hmac<Sha256>);

impl OneTimeKey {
    pub fn new(key: [u8; 32]) -> Self {
        OneTimeKey(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
    }

    /// The token of the mail `id`, in Django's form: time in base 36, then 32 hex digits.
    pub fn token(&self, purpose: Purpose, account_id: i64, id: &str, created_at: i64) -> String {
        let made_of = format!("{}\0{account_id}\0{id}", purpose.as_str());
        let mac = self.0.clone().chain_update(made_of).finalize().into_bytes();
        format!("{}-{}", base36(created_at - EPOCH), hex(&mac[..16]))
    }
}

/// The S256 challenge of an app's code verifier (RFC 7636 section 4.2).
pub type LinkChallenge = [u8; 32];

/// Reads a challenge, which apps send in base64url.
pub fn link_challenge(text: &str) -> Option<LinkChallenge> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

pub fn challenge_of_verifier(verifier: &str) -> LinkChallenge {
    Sha256::digest(verifier).into()
}

/// The token that is stored for a link that works only with the verifier of this challenge. The
/// mail has `token` alone, so only the app that has the verifier can compute this one.
pub fn bound_token(token: &str, challenge: &LinkChallenge) -> String {
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

/// The row to insert for a token that is mailed to `address`.
pub fn new_row(
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

/// Marks the token as spent and answers its row.
pub async fn spend(
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
    match link_state(tx, purpose, account_id, hash, now).await? {
        LinkState::Spent => Err(Error::LinkSpent),
        LinkState::Open | LinkState::Dead => Err(Error::LinkInvalid),
    }
}

/// The links of an account that still work, sent or queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenLinks {
    /// At least one works in any app.
    Unbound,
    /// Each works only in the app that asked for it, which may be an attacker's.
    AllBound,
}

/// `None` if the account has no open link for this purpose.
pub async fn open_links(
    tx: &mut Tx,
    purpose: Purpose,
    account_id: i64,
    now: i64,
) -> Result<Option<OpenLinks>> {
    let all_bound = one_time_tokens::out(tx, account_id, purpose.as_str(), now).await?;
    Ok(all_bound.map(|bound| if bound { OpenLinks::AllBound } else { OpenLinks::Unbound }))
}

/// The state of the link whose token has this hash.
pub async fn link_state(
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
    fn token_has_djangos_form_and_depends_on_every_input() {
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
