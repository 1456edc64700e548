//! Accepting links that a replaced Django has mailed, until the last of them has expired. At its use
//! a link becomes one of ours, and is spent as one.

use crate::auth::mailing::django_link::{DjangoLinkKey, DjangoUser};
use crate::auth::mailing::one_time_token::{Purpose, new_row};
use crate::auth::password::REFUSED;
use crate::error::Result;
use crate::identifier::Kind;
use crate::store::one_time_tokens::OneTimeToken;
use crate::store::{Tx, accounts, identifiers, meta, one_time_tokens};

/// A Django puts its local time into its tokens, in whatever zone it is.
const ZONES: i64 = 14 * 3_600;

/// The times of the Django.
#[derive(Clone, Copy)]
pub struct DjangoClock {
    /// How far its local time is ahead of UTC, in seconds, if that is known.
    pub utc_offset: Option<i64>,
    /// Whether its accounts have local times.
    pub is_local: bool,
}

/// Records that links which were mailed before `taken_at` work for so many seconds.
pub async fn accept_links(
    tx: &mut Tx,
    taken_at: i64,
    seconds: i64,
    clock: DjangoClock,
) -> Result<()> {
    meta::set(tx, meta::DJANGO_LINK_SECONDS, seconds.to_string()).await?;
    let utc_offset = clock.utc_offset.map(|offset| offset.to_string()).unwrap_or_default();
    meta::set(tx, meta::DJANGO_LINK_OFFSET, utc_offset).await?;
    let is_local = i64::from(clock.is_local).to_string();
    meta::set(tx, meta::DJANGO_LOCAL_TIMES, is_local).await?;
    let until = taken_at.saturating_add(seconds).saturating_add(ZONES);
    meta::set(tx, meta::DJANGO_LINKS_UNTIL, until.to_string()).await
}

pub fn is_mailed_by_django(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::Activation | Purpose::PasswordReset)
}

/// The row of a token that the Django has mailed and that still fits the account. `key` is `None`
/// if tokens of a replaced server are not accepted.
pub async fn row_of_django_link(
    tx: &mut Tx,
    key: Option<&DjangoLinkKey>,
    purpose: Purpose,
    account_id: i64,
    token: &str,
    now: i64,
) -> Result<Option<OneTimeToken>> {
    let Some(key) = key.filter(|_| is_mailed_by_django(purpose)) else { return Ok(None) };
    if number(tx, meta::DJANGO_LINKS_UNTIL).await?.is_none_or(|until| now >= until) {
        return Ok(None);
    }
    let seconds = number(tx, meta::DJANGO_LINK_SECONDS).await?.unwrap_or_default();
    let account = accounts::account(tx, account_id).await?;
    // A change of the account here refuses links as it refuses tokens.
    let account = account.filter(|account| account.imported && !account.undated_refused);
    let Some(account) = account else { return Ok(None) };
    let credentials = accounts::credentials(tx, account_id, String::new()).await?;
    let password = match credentials.and_then(|credentials| credentials.password) {
        Some(password) => password,
        // A Django stores some text for an account without a password too.
        None => accounts::unusable_password(tx, account_id).await?.unwrap_or_default(),
    };
    let password = password.strip_prefix(REFUSED).unwrap_or(&password);
    let names = identifiers::identifiers(tx, account_id).await?;
    let email = names
        .into_iter()
        .find(|name| name.kind == Kind::Email.as_str() && name.left_at.is_none())
        .and_then(|name| name.imported_as);
    let (Some(email), Some(address)) = (email, account.email) else { return Ok(None) };
    // Without the Django's time zone no link must die too early.
    let zone = number(tx, meta::DJANGO_LINK_OFFSET).await?;
    let (offset, leeway) = zone.map_or((0, ZONES), |offset| (offset, 0));
    let has_local_times = number(tx, meta::DJANGO_LOCAL_TIMES).await? == Some(1);
    let ahead = if has_local_times { offset } else { 0 };
    let user = DjangoUser {
        id: account_id,
        password,
        last_sign_in_at: account.last_sign_in_at.map(|at| at.saturating_add(ahead)),
        email: &email,
    };
    let made_at = key.made_at(token, &user);
    let age = made_at.map(|made_at| now.saturating_sub(made_at.saturating_sub(offset)));
    let is_live = age.is_some_and(|age| (-ZONES..=seconds.saturating_add(leeway)).contains(&age));
    Ok(is_live.then(|| new_row(token, purpose, account_id, &address, now)))
}

/// Makes such a link one of ours, so that it can be spent; does nothing with any other.
pub async fn admit_django_link(
    tx: &mut Tx,
    key: Option<&DjangoLinkKey>,
    purpose: Purpose,
    account_id: i64,
    token: &str,
    now: i64,
) -> Result<()> {
    match row_of_django_link(tx, key, purpose, account_id, token, now).await? {
        Some(row) => one_time_tokens::insert_if_new(tx, row).await,
        None => Ok(()),
    }
}

async fn number(tx: &mut Tx, name: &'static str) -> Result<Option<i64>> {
    Ok(meta::get(tx, name).await?.and_then(|number| number.parse().ok()))
}
