//! Finding an account in a write, and keeping it from changing until the write ends.

use crate::auth::mailing::outbox::NO_ACCOUNT;
use crate::error::{Error, Result};
use crate::identifier::Email;
use crate::store::accounts::{self, Account};
use crate::store::{Tx, identifiers};

/// The account of an address, or of the mailbox behind it, kept from changing until the write ends: a
/// link must not go out for what is no longer so. An unknown address costs the same statements.
pub(in crate::auth) async fn holder(tx: &mut Tx, key: String) -> Result<Option<Account>> {
    let id = identifiers::claimant_by_key(tx, key.clone()).await?.unwrap_or(NO_ACCOUNT);
    accounts::lock_account(tx, id).await?;
    let account = accounts::account(tx, id).await?;
    Ok(account.filter(|account| {
        let own = [account.email.as_deref(), account.mailbox()];
        own.into_iter().flatten().filter_map(Email::parse).any(|own| own.key() == key)
    }))
}

pub(in crate::auth) async fn lock(tx: &mut Tx, id: i64) -> Result<()> {
    match accounts::lock_account(tx, id).await? {
        true => Ok(()),
        false => Err(Error::UnknownUid),
    }
}
