//! Importing accounts of a replaced server, which keep their numbers. Other systems know accounts
//! by number, so the numbers of accounts that are registered here begin above all imported ones.

use crate::auth::accounts::create::insert_identifiers;
use crate::auth::accounts::registration::Registration;
use crate::auth::domain::Auth;
use crate::auth::sessions::cut_off::global_cut_off;
use crate::error::Result;
use crate::store::accounts::{self, Account, ImportedAccount};
use crate::store::events::{Event, NewEvent, Registered};
use crate::store::{Tx, identifiers, revocations};

/// How many accounts an error lists.
const LISTED: i64 = 20;

/// Why the numbers of new accounts cannot begin with the configured one.
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

/// An account in the replaced server.
pub struct Import {
    pub number: i64,
    /// When the account was created there, if known: older tokens are refused.
    pub joined_at: Option<i64>,
    /// Its exact name there.
    pub name: String,
}

impl Auth {
    /// Makes the numbers of new accounts begin with `first_id`, unless that conflicts with existing
    /// ones.
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

    /// Creates an account with its number in the replaced server; `None` if the number belongs, or
    /// once belonged, to an account here.
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
                    // Before the insert, because its lock is stronger: two imports that have both
                    // inserted would deadlock.
                    accounts::raise_sequence(tx, number).await?;
                    let now = new.created_at;
                    let imported = ImportedAccount {
                        joined_at,
                        last_sign_in_at: None,
                        is_active: !new.awaits_activation,
                        foreign_not_before: global_cut_off(tx).await?,
                        password_proved: false,
                        unusable_password: None,
                        new,
                    };
                    let row = vec![(number, imported)];
                    if accounts::insert_imported_accounts(tx, row).await?.is_empty() {
                        return Ok(None);
                    }
                    let event = Event::Registered(Registered::Imported);
                    tx.note(NewEvent::of(number, event, now));
                    insert_identifiers(tx, number, &names, now).await?;
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

/// The reason why the numbers of new accounts cannot begin with `first_id`, if any.
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
