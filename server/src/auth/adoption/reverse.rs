//! The way back: what has changed here since the accounts of a Django were adopted, as statements
//! for the Django's database. They are written and never run. To run them twice changes no more than
//! to run them once.

use std::collections::HashMap;
use std::io::Write;

use super::item::ACCOUNT;
use super::script::{Present, Reversal, ReversalError, Script};
use super::sql::{Engine, name, time};
use crate::auth::adopting::phase;
use crate::auth::domain::Auth;
use crate::error::Error;
use crate::import_file::DjangoUsers;
use crate::store::accounts::{self, Account, StoredPassword};
use crate::store::adopted::{self, Adopted};
use crate::store::identifiers::{self, PresentName};
use crate::store::{meta, sessions, spent_tokens};

/// How many rows are read at once.
const PAGE: i64 = 500;

/// The table and the columns of Django REST framework's keys: a user has one.
const KEYS: &str = "authtoken_token";

const HEADER: &str = "\
-- What has changed at Propusk since the accounts of this Django were adopted.
-- It has password hashes. To run it twice changes no more than to run it once.
-- Accounts that were deleted at Propusk are disabled here: delete them with the Django, which knows
-- what belongs to them.
";

/// Some accounts, with what is known of them.
#[derive(Default)]
struct Page {
    accounts: Vec<Account>,
    adopted: HashMap<i64, Adopted>,
    passwords: HashMap<i64, StoredPassword>,
    names: HashMap<i64, Vec<PresentName>>,
}

impl Auth {
    /// Writes the statements. `described` and `engine` are used instead of what the adopted file says
    /// of the Django. The Django has given no number from `first_id` on.
    pub async fn reverse_adoption(
        &self,
        described: Option<DjangoUsers>,
        engine: Option<&str>,
        first_id: Option<i64>,
        out: &mut impl Write,
    ) -> Result<Reversal, ReversalError> {
        let now = self.clock.now();
        let (users, engine) = self.described_users(described, engine).await?;
        let mut script = Script::new(&users, first_id, now);
        out.write_all(HEADER.as_bytes())?;
        out.write_all(engine.begin().as_bytes())?;
        self.disable_deleted(&mut script).await?;
        self.add_accounts(&mut script, &users, true, out).await?;
        out.write_all(script.name_changes().as_bytes())?;
        // New accounts get the names that are free then.
        self.add_accounts(&mut script, &users, false, out).await?;
        self.delete_ended_keys(&mut script, now).await?;
        out.write_all(script.changes.as_bytes())?;
        out.write_all(b"commit;\n")?;
        let mut reversal = script.reversal;
        self.count_left_behind(&mut reversal, now).await?;
        Ok(reversal)
    }

    async fn described_users(
        &self,
        described: Option<DjangoUsers>,
        engine: Option<&str>,
    ) -> Result<(DjangoUsers, Engine), ReversalError> {
        let mut tx = self.store.read().await?;
        if phase(&mut tx).await?.is_none() {
            return Err(ReversalError::NothingAdopted);
        }
        let users = match described {
            Some(users) => Some(users),
            None => {
                let stored = meta::get(&mut tx, meta::DJANGO_USERS).await?;
                let read = stored.map(|text| serde_json::from_str::<DjangoUsers>(&text));
                read.transpose().map_err(Error::from)?
            }
        };
        let of_file = users.as_ref().map(|users| users.engine.as_str());
        let named = engine.or(of_file).ok_or(ReversalError::NoEngine)?.to_owned();
        let engine = Engine::named(&named).ok_or(ReversalError::Engine(named.clone()))?;
        Ok((users.unwrap_or_else(|| DjangoUsers::of_django(&named)), engine))
    }

    /// Disables the accounts that came from the Django and are not here any more.
    async fn disable_deleted(&self, script: &mut Script<'_>) -> Result<(), ReversalError> {
        let mut after = String::new();
        loop {
            let mut tx = self.store.read().await?;
            let page = adopted::adopted_after(&mut tx, ACCOUNT, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.key.clone();
            for row in page.iter().filter(|row| row.account_id.is_none()) {
                script.add_deleted(&row.key)?;
            }
        }
    }

    /// Writes what the accounts change that came from the Django, or those that did not.
    async fn add_accounts(
        &self,
        script: &mut Script<'_>,
        users: &DjangoUsers,
        imported: bool,
        out: &mut impl Write,
    ) -> Result<(), ReversalError> {
        let mut after = 0;
        loop {
            let page = self.page_after(after).await?;
            let Some(last) = page.accounts.last() else { return Ok(()) };
            after = last.id;
            for account in page.accounts.iter().filter(|account| account.imported == imported) {
                self.add_account(script, &page, account, users).await?;
            }
            out.write_all(std::mem::take(&mut script.changes).as_bytes())?;
            out.write_all(std::mem::take(&mut script.rows).as_bytes())?;
        }
    }

    async fn page_after(&self, after: i64) -> Result<Page, Error> {
        let mut tx = self.store.read().await?;
        let accounts = accounts::accounts_after(&mut tx, after, PAGE).await?;
        let ends = accounts.first().zip(accounts.last()).map(|(first, last)| (first.id, last.id));
        let Some((first, last)) = ends else { return Ok(Page::default()) };
        let mut page = Page { accounts, ..Page::default() };
        for row in adopted::adopted_accounts(&mut tx, first, last).await? {
            page.adopted.insert(row.account_id.unwrap_or_default(), row);
        }
        for password in accounts::passwords_between(&mut tx, first, last).await? {
            page.passwords.insert(password.account_id, password);
        }
        for name in identifiers::names_between(&mut tx, first, last).await? {
            page.names.entry(name.account_id).or_default().push(name);
        }
        Ok(page)
    }

    async fn add_account(
        &self,
        script: &mut Script<'_>,
        page: &Page,
        account: &Account,
        users: &DjangoUsers,
    ) -> Result<(), ReversalError> {
        // Deleted meanwhile.
        let Some(password) = page.passwords.get(&account.id) else { return Ok(()) };
        let needs_one = !account.imported && users.needs_foreign_ids();
        let foreign_id = match &account.foreign_id {
            None if needs_one => match self.foreign_id(account.id).await {
                Ok(foreign_id) => Some(foreign_id),
                // Deleted meanwhile.
                Err(Error::AccountNotFound) => return Ok(()),
                Err(error) => return Err(error.into()),
            },
            known => known.clone(),
        };
        script.add(&Present {
            account,
            foreign_id: foreign_id.as_deref(),
            adopted: page.adopted.get(&account.id),
            password,
            names: page.names.get(&account.id).map(Vec::as_slice).unwrap_or_default(),
        })
    }

    /// Deletes the keys whose sessions have ended here, unless the Django has made a newer one since.
    async fn delete_ended_keys(
        &self,
        script: &mut Script<'_>,
        now: i64,
    ) -> Result<(), ReversalError> {
        let (table, user, created) = (name(KEYS), name("user_id"), name("created"));
        let mut after = String::new();
        loop {
            let mut tx = self.store.read().await?;
            let page = sessions::ended_adopted_keys(&mut tx, after, now, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = last.clone();
            for (_, account_id) in &page {
                let row = adopted::adopted_account(&mut tx, *account_id).await?;
                let Some(row) = row else { continue };
                let (id, now) = (script.id_of_key(&row.key)?, time(now));
                let statement =
                    format!("delete from {table} where {user} = {id} and {created} < {now};\n");
                script.changes.push_str(&statement);
                script.reversal.keys_ended += 1;
            }
        }
    }

    /// Counts what no statement can bring back.
    async fn count_left_behind(&self, reversal: &mut Reversal, now: i64) -> Result<(), Error> {
        let mut tx = self.store.read().await?;
        reversal.keys_issued_here = sessions::count_issued_keys(&mut tx, now).await?;
        reversal.pairs_issued_here = sessions::count_issued_pairs(&mut tx, now).await?;
        reversal.pairs_ended_here = sessions::count_ended_pairs(&mut tx, now).await?;
        reversal.spent_tokens = spent_tokens::count_spent(&mut tx, now).await?;
        Ok(())
    }
}
