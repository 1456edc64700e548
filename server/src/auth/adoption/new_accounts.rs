//! Accounts that are new here, and what they are given: many of them with few statements, because a
//! first copy brings a million.

use std::collections::HashSet;

use super::item::{AccountWork, KeptName, place_of};
use super::outcome::{DELETED_HERE, Outcome, Terms};
use super::seen::{ABSENT, AccountSeen, State};
use crate::error::Result;
use crate::identifier::{Identifier, Kind};
use crate::store::accounts::{self, ImportedAccount, NewAccount};
use crate::store::adopted::{self, Adopted};
use crate::store::events::{NameChange, note_change};
use crate::store::identifiers::ImportedName;
use crate::store::{Tx, account_attributes, identifiers, one_time_tokens, revocations};

/// Stores new accounts in their order; no two of them have a name in common. They are no events: a
/// million of them would hide those that are.
pub async fn insert_accounts(
    tx: &mut Tx,
    mut new: Vec<(Adopted, AccountWork)>,
    terms: Terms,
) -> Result<Vec<Outcome>> {
    let ids = insert_rows(tx, &mut new, terms).await?;
    let mut conflicts = Vec::with_capacity(new.len());
    let (mut rows, mut names) = (Vec::new(), Vec::new());
    for (place, ((row, account), id)) in new.into_iter().zip(&ids).enumerate() {
        conflicts.push(Vec::new());
        let Ok(id) = *id else { continue };
        if !give_foreign_id(tx, id, account.foreign_id).await? {
            conflicts[place].push("foreign_id");
        }
        if let Some(attributes) = account.attributes {
            account_attributes::set_attributes(tx, id, attributes, terms.now).await?;
        }
        let given = account.names.into_iter().map(|name| imported_name(name, terms.now));
        names.extend(given.map(|name| (place, id, name)));
        rows.push(Adopted { account_id: Some(id), ..row });
    }
    for (place, kind) in give_names(tx, names, terms.now).await? {
        conflicts[place].push(kind.as_str());
    }
    adopted::set_all_adopted(tx, rows).await?;
    let outcomes = ids.into_iter().zip(conflicts).map(|(id, conflicts)| match id {
        Ok(_) => Outcome::stored_but(conflicts),
        Err(reason) => Outcome::Refused(reason),
    });
    Ok(outcomes.collect())
}

/// The number of each account, or why it is refused.
async fn insert_rows(
    tx: &mut Tx,
    new: &mut [(Adopted, AccountWork)],
    terms: Terms,
) -> Result<Vec<std::result::Result<i64, &'static str>>> {
    let (mut ids, mut numbered) = (Vec::with_capacity(new.len()), Vec::with_capacity(new.len()));
    for (_, account) in new.iter_mut() {
        let imported = imported(account, terms);
        ids.push(match account.number {
            None => Ok(accounts::insert_imported_without_number(tx, imported).await?),
            Some(number)
                if terms.may_be_deleted && revocations::was_deleted(tx, number).await? =>
            {
                Err(DELETED_HERE)
            }
            Some(number) => {
                numbered.push((number, imported));
                Ok(number)
            }
        });
    }
    let inserted = accounts::insert_imported_accounts(tx, numbered).await?;
    let mut inserted: HashSet<i64> = inserted.into_iter().collect();
    for (id, (_, account)) in ids.iter_mut().zip(&*new) {
        // Of two with one number, the first has it.
        if account.number.is_some() && id.is_ok_and(|id| !inserted.remove(&id)) {
            *id = Err("another account here has this number");
        }
    }
    Ok(ids)
}

/// The row of the account, with what nothing else needs of it.
fn imported(account: &mut AccountWork, terms: Terms) -> ImportedAccount {
    let password_proved = has_proved_password(account);
    let (details, state) = (&mut account.details, account.seen.state);
    ImportedAccount {
        joined_at: details.joined_at,
        last_sign_in_at: details.last_sign_in_at,
        is_active: state == State::Active,
        foreign_not_before: terms.foreign_not_before,
        password_proved,
        unusable_password: details.unusable_password.take(),
        new: NewAccount {
            password: account.password.take(),
            display_name: account.display_name.take(),
            sign_up_name: details.sign_up_name.take(),
            is_superuser: details.is_superuser,
            awaits_activation: state == State::Waiting,
            language: details.language,
            // An activation that waits, waits from now on.
            created_at: terms.now,
        },
    }
}

/// Gives names to accounts by place and number; the places and kinds of those that another account
/// here has.
async fn give_names(
    tx: &mut Tx,
    names: Vec<(usize, i64, ImportedName)>,
    now: i64,
) -> Result<Vec<(usize, Kind)>> {
    let rows: Vec<(i64, &ImportedName)> = names.iter().map(|(_, id, name)| (*id, name)).collect();
    let given = identifiers::insert_imported_names(tx, rows, now).await?;
    let mut given: HashSet<String> = given.into_iter().collect();
    let mut refused = Vec::new();
    for (place, id, name) in names {
        let kind = name.identifier.kind();
        if !given.remove(name.identifier.key()) && !give_name(tx, id, name, now).await? {
            refused.push((place, kind));
        }
    }
    Ok(refused)
}

/// False if the account has another one, or if another account here has it. One that the other system
/// has removed stays: tokens name the account by it.
pub async fn give_foreign_id(tx: &mut Tx, id: i64, foreign_id: Option<String>) -> Result<bool> {
    let Some(foreign_id) = foreign_id else { return Ok(true) };
    Ok(accounts::set_foreign_id(tx, id, foreign_id.clone()).await?
        || accounts::foreign_id(tx, id).await? == Some(foreign_id))
}

/// The owner of a verified mailbox has set the password, as far as the other system knows.
pub fn has_proved_password(account: &AccountWork) -> bool {
    let is_email = |name: &KeptName| name.identifier.kind() == Kind::Email && name.is_verified;
    account.password.is_some() && account.names.iter().any(is_email)
}

pub fn imported_name(name: KeptName, now: i64) -> ImportedName {
    let verified_at = name.is_verified.then_some(now);
    // Only the owner of a mailbox that is verified there can have added what belongs to the
    // account.
    let owned_at = verified_at.filter(|_| name.identifier.kind() == Kind::Email);
    ImportedName { identifier: name.identifier, name: name.name, verified_at, owned_at }
}

/// Gives the name to the account. An account that has it since its own import, and not any more in
/// the other system, loses it; false if another account here has it.
pub async fn give_name(tx: &mut Tx, id: i64, name: ImportedName, now: i64) -> Result<bool> {
    if identifiers::insert_imported_name(tx, id, &name, now).await? {
        return Ok(true);
    }
    Ok(take_from_adopted(tx, &name.identifier, now).await?
        && identifiers::insert_imported_name(tx, id, &name, now).await?)
}

async fn take_from_adopted(tx: &mut Tx, name: &Identifier, now: i64) -> Result<bool> {
    let Some(holder) = identifiers::imported_holder(tx, name.key().to_owned()).await? else {
        return Ok(false);
    };
    let Some(row) = adopted::adopted_account(tx, holder).await? else {
        return Ok(false);
    };
    let kind = name.kind();
    identifiers::delete_identifier(tx, holder, kind.as_str()).await?;
    one_time_tokens::delete_one_time_tokens(tx, holder).await?;
    note_change(tx, holder, removal_of(kind), now).await?;
    // Else its own line would look as if the name had been removed here.
    if let Some(mut seen) = AccountSeen::parse(&row.seen) {
        if let Some(place) = seen.names.get_mut(place_of(kind)) {
            *place = ABSENT.to_owned();
        }
        adopted::set_adopted(tx, Adopted { seen: seen.text(), ..row }).await?;
    }
    Ok(true)
}

pub fn removal_of(kind: Kind) -> NameChange {
    match kind {
        Kind::Email => NameChange::EmailRemoved,
        Kind::Phone => NameChange::PhoneRemoved,
        Kind::Username => NameChange::UsernameRemoved,
    }
}
