//! Storing a new account.

use crate::auth::mailing::one_time_token::Purpose;
use crate::auth::mailing::outbox::{MailKind, Outbox};
use crate::error::{Error, Result};
use crate::identifier::Identifier;
use crate::store::accounts::{self, Account, NewAccount};
use crate::store::events::{Event, NewEvent, Registered};
use crate::store::{Tx, identifiers};

pub async fn insert(
    tx: &mut Tx,
    outbox: &Outbox,
    new: &NewAccount,
    identifiers: &[Identifier],
    how: Registered,
) -> Result<Account> {
    // Checked first, because a failed insert consumes an account id on Postgres.
    for identifier in identifiers {
        if identifiers::claimant_by_key(tx, identifier.key().to_owned()).await?.is_some() {
            return Err(Error::Taken(identifier.kind()));
        }
    }
    let id = accounts::insert_account(tx, new).await?;
    tx.note(NewEvent::of(id, Event::Registered(how), new.created_at));
    insert_identifiers(tx, id, identifiers, new.created_at).await?;
    let account = accounts::account(tx, id).await?.ok_or(Error::AccountNotFound)?;
    if account.awaits_activation {
        outbox
            .queue(tx, MailKind::Link(Purpose::Activation), &account, None, new.created_at)
            .await?;
    }
    Ok(account)
}

pub async fn insert_identifiers(
    tx: &mut Tx,
    id: i64,
    identifiers: &[Identifier],
    now: i64,
) -> Result<()> {
    for identifier in identifiers {
        if !identifiers::insert_identifier(tx, id, identifier, now).await? {
            return Err(Error::Taken(identifier.kind()));
        }
    }
    Ok(())
}
