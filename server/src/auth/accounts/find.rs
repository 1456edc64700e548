//! Finding and locking an account in a write.

use crate::auth::mailing::outbox::NO_ACCOUNT;
use crate::error::{Error, Result};
use crate::identifier::Email;
use crate::store::accounts::{self, Account};
use crate::store::{Tx, identifiers};

/// Locks the account that has this address, active or former, so that a mailed link matches the
/// state of the account. An unknown address costs the same statements.
pub async fn lock_by_email(tx: &mut Tx, key: String) -> Result<Option<Account>> {
    let id = identifiers::claimant_by_key(tx, key.clone()).await?.unwrap_or(NO_ACCOUNT);
    accounts::lock_account(tx, id).await?;
    let account = accounts::account(tx, id).await?;
    Ok(account.filter(|account| {
        let own = [account.email.as_deref(), account.mailbox()];
        own.into_iter().flatten().filter_map(Email::parse).any(|own| own.key() == key)
    }))
}

pub async fn lock_by_id(tx: &mut Tx, id: i64) -> Result<()> {
    match accounts::lock_account(tx, id).await? {
        true => Ok(()),
        false => Err(Error::UnknownUid),
    }
}
