//! Account numbers. Another system that knows accounts by number takes a number of ours for its own, so
//! numbers of accounts registered here begin above all of its numbers, and only an account that was
//! imported keeps the number that it had there.

use crate::auth::accounts::create::hold_identifiers;
use crate::auth::accounts::registration::Registration;
use crate::auth::domain::Auth;
use crate::auth::sessions::cut_off::first_honoured;
use crate::error::Result;
use crate::store::accounts::{self, Account};
use crate::store::{Tx, identifiers, revocations};

/// How many accounts a refusal lists.
const LISTED: i64 = 20;

/// Why new accounts cannot begin with the configured number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NumberConflict {
    #[error("must be above every imported number, and account {0} was imported")]
    Imported(i64),
    #[error(
        "accounts that were registered here have lower numbers, which another system may take for its own: {}",
        list(.0)
    )]
    Registered(Vec<i64>),
}

/// How a replaced server knew an account.
pub struct Import {
    pub number: i64,
    /// When the account was made there, where that is known: tokens issued before are refused.
    pub joined_at: Option<i64>,
    /// Its name there, letter by letter.
    pub name: String,
}

impl Auth {
    /// Makes the numbers of new accounts begin with `first_id`, unless accounts here contradict that.
    pub async fn begin_numbers_at(&self, first_id: i64) -> Result<Option<NumberConflict>> {
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let conflict = find_conflict(tx, first_id).await?;
                    if conflict.is_none() {
                        accounts::raise_sequence(tx, first_id - 1).await?;
                    }
                    Ok(conflict)
                })
            })
            .await
    }

    /// Creates an account under the number that it had in a replaced server; `None` when that number is
    /// an account's here, or was one's that has been deleted.
    pub async fn import_account(
        &self,
        registration: Registration,
        import: Import,
    ) -> Result<Option<Account>> {
        self.refuse_taken(&registration.identifiers).await?;
        let (new, names) = self.prepare(registration, None).await?;
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let Import { number, joined_at, name } = import;
                    if revocations::was_deleted(tx, number).await? {
                        return Ok(None);
                    }
                    // First: its lock is stronger than that of an insert, and two imports that have
                    // inserted would wait for each other.
                    accounts::raise_sequence(tx, number).await?;
                    let not_before = first_honoured(tx).await?;
                    let inserted =
                        accounts::insert_imported_account(tx, number, joined_at, not_before, &new);
                    if !inserted.await? {
                        return Ok(None);
                    }
                    hold_identifiers(tx, number, &names, new.created_at).await?;
                    for identifier in &names {
                        identifiers::update_imported_as(tx, number, identifier, name.clone())
                            .await?;
                    }
                    accounts::account(tx, number).await
                })
            })
            .await
    }
}

/// Why the numbers of new accounts cannot begin with `first_id`.
pub async fn find_conflict(tx: &mut Tx, first_id: i64) -> Result<Option<NumberConflict>> {
    let highest = accounts::highest_imported(tx).await?;
    if let Some(highest) = highest.filter(|highest| *highest >= first_id) {
        return Ok(Some(NumberConflict::Imported(highest)));
    }
    let below = accounts::registered_below(tx, first_id, LISTED + 1).await?;
    Ok((!below.is_empty()).then_some(NumberConflict::Registered(below)))
}

fn list(ids: &[i64]) -> String {
    let listed = usize::try_from(LISTED).unwrap_or_default();
    let more = if ids.len() > listed { " and more" } else { "" };
    let ids: Vec<_> = ids.iter().take(listed).map(i64::to_string).collect();
    format!("{}{more}", ids.join(", "))
}
