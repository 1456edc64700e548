//! The statements of the way back, account by account.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::item::place_of;
use super::renames::{Rename, Step, in_order};
use super::seen::{ABSENT, AccountSeen, State, digest_of, digest_of_name};
use super::sql::{name, text, time, value};
use crate::auth::secrets::random::{hash, hex, random};
use crate::auth::tokens::token_id::without_hyphens;
use crate::error::Error;
use crate::identifier::{Identifier, Kind};
use crate::import_file::{DjangoUsers, IdForm};
use crate::store::accounts::{Account, StoredPassword};
use crate::store::adopted::Adopted;
use crate::store::identifiers::PresentName;

const KINDS: [Kind; 3] = [Kind::Email, Kind::Phone, Kind::Username];
const ADDRESSES: [Kind; 2] = [Kind::Email, Kind::Phone];
/// The condition for a longer cycle of names would be more than an engine reads.
const LONGEST_CYCLE: usize = 100;
/// Columns of a Django that give rights.
const RIGHTS: [&str; 2] = ["is_superuser", "is_staff"];

/// Why no way back is written.
#[derive(Debug, thiserror::Error)]
pub enum ReversalError {
    #[error(transparent)]
    Store(#[from] Error),
    #[error("the file cannot be written: {0}")]
    Unwritten(#[from] io::Error),
    #[error("nothing was adopted, so that there is no way back")]
    NothingAdopted,
    #[error(
        "the adopted file does not describe the Django's users: add --for sqlite, --for postgres or --for mysql if they are in auth_user, else --users FILE too"
    )]
    NoEngine,
    #[error("no SQL can be written for a database of the kind {0:?}")]
    Engine(String),
    #[error("account {0} has a text with a NUL character, which no database reads")]
    Nul(i64),
    #[error("the value of the column {0:?} is no text, number, true, false or null")]
    Other(String),
}

/// What the statements change, and what they cannot.
#[derive(Debug, Default, Serialize)]
pub struct Reversal {
    pub table: String,
    pub new_accounts: u64,
    /// New accounts without a row at the Django, whose table has columns that only it can fill.
    pub new_accounts_without_row: u64,
    /// Those columns.
    pub unfilled: Vec<String>,
    pub passwords: u64,
    /// Removed here.
    pub passwords_removed: u64,
    /// Set here in a form that no Django reads.
    pub passwords_unreadable: u64,
    pub names: u64,
    /// Longer than their columns, and not written.
    pub names_too_long: u64,
    pub display_names: u64,
    pub enabled: u64,
    pub disabled: u64,
    /// Not here any more.
    pub deleted: u64,
    pub sign_ins: u64,
    pub keys_ended: u64,
    /// The rest is unknown to the Django, or still good there.
    pub keys_issued_here: i64,
    pub pairs_issued_here: i64,
    pub pairs_ended_here: i64,
    pub spent_tokens: i64,
}

/// An account as it is now.
pub struct Present<'p> {
    pub account: &'p Account,
    pub foreign_id: Option<&'p str>,
    /// What came.
    pub adopted: Option<&'p Adopted>,
    pub password: &'p StoredPassword,
    pub names: &'p [PresentName],
}

pub struct Script<'u> {
    users: &'u DjangoUsers,
    table: String,
    id: String,
    /// From this number on, a row with the number of a new account was made for it.
    first_id: Option<i64>,
    now: i64,
    /// Statements that are independent of each other.
    pub changes: String,
    names: Vec<Rename>,
    /// Those about accounts that did not come from the Django.
    pub rows: String,
    pub reversal: Reversal,
}

/// The literals of columns.
type Values = BTreeMap<String, String>;

impl<'u> Script<'u> {
    pub fn new(users: &'u DjangoUsers, first_id: Option<i64>, now: i64) -> Self {
        let reversal = Reversal {
            table: users.table.clone(),
            unfilled: users.unfilled.clone(),
            ..Reversal::default()
        };
        Script {
            users,
            table: name(&users.table),
            id: name(&users.id),
            first_id,
            now,
            changes: String::new(),
            names: Vec::new(),
            rows: String::new(),
            reversal,
        }
    }

    /// Disables an account that is not here any more.
    pub fn add_deleted(&mut self, key: &str) -> Result<(), ReversalError> {
        let id = self.id_of_key(key)?;
        let (column, value) = match &self.users.is_active {
            Some(column) => (column, "false".to_owned()),
            None => (&self.users.password, unusable()?),
        };
        let values = Values::from([(column.clone(), value)]);
        self.changes.push_str(&self.update(&values, &id));
        self.reversal.deleted += 1;
        Ok(())
    }

    /// Adds what has changed of an account, or that it is new.
    pub fn add(&mut self, present: &Present<'_>) -> Result<(), ReversalError> {
        let account = present.account;
        let id = match (present.adopted, self.users.id_form, present.foreign_id) {
            (Some(row), ..) => self.id_of_key(&row.key)?,
            (None, IdForm::Number, _) => account.id.to_string(),
            (None, _, Some(foreign_id)) => self.id_of_text(foreign_id, account.id)?,
            // Another system has no such account.
            (None, _, None) => return Ok(()),
        };
        match account.imported {
            true => self.add_adopted(present, &id),
            false => self.add_new(present, &id),
        }
    }

    /// The primary key of an adopted account, by the key of its record.
    pub fn id_of_key(&self, key: &str) -> Result<String, ReversalError> {
        match (key.strip_prefix('='), key.parse::<i64>()) {
            (None, Ok(number)) => Ok(number.to_string()),
            (id, _) => self.id_of_text(id.unwrap_or(key), 0),
        }
    }

    fn id_of_text(&self, id: &str, account: i64) -> Result<String, ReversalError> {
        match self.users.id_form {
            IdForm::Uuid => quoted_uuid(id, account),
            IdForm::Number | IdForm::Text => quoted(id, account),
        }
    }

    fn add_adopted(&mut self, present: &Present<'_>, id: &str) -> Result<(), ReversalError> {
        let (users, account) = (self.users, present.account);
        let was = present.adopted.and_then(|row| AccountSeen::parse(&row.seen));
        let mut values = Values::new();
        let version = present.adopted.map_or(0, |row| row.password_version);
        if present.password.password_version != version {
            let password = self.password(present)?;
            values.insert(users.password.clone(), password);
        }
        let display_name = digest_of(account.display_name.as_deref());
        if was.as_ref().is_some_and(|was| was.display_name != display_name) {
            let names = self.display_name(account)?;
            self.reversal.display_names += u64::from(!names.is_empty());
            values.extend(names);
        }
        let was_active = was.as_ref().is_none_or(|was| was.state == State::Active);
        if let Some(column) = users.is_active.as_ref().filter(|_| was_active != account.is_active) {
            values.insert(column.clone(), account.is_active.to_string());
            match account.is_active {
                true => self.reversal.enabled += 1,
                false => self.reversal.disabled += 1,
            }
        }
        if !values.is_empty() {
            self.changes.push_str(&self.update(&values, id));
        }
        // The Django knows the sign-ins from before the adoption.
        let signed_in = account.last_sign_in_at.filter(|at| *at >= account.created_at);
        if let (Some(column), Some(at)) = (&users.last_login, signed_in) {
            let (table, key, column, at) = (&self.table, &self.id, name(column), time(at));
            self.changes.push_str(&format!(
                "update {table} set {column} = {at} where {key} = {id} and ({column} is null or {column} < {at});\n"
            ));
            self.reversal.sign_ins += 1;
        }
        for (column, now) in self.changed_names(present, was.as_ref()) {
            let (statements, wanted) = match now {
                Some(now) if !users.takes(&column, &now) => {
                    self.reversal.names_too_long += 1;
                    continue;
                }
                Some(now) => {
                    let literal = quoted(&now, account.id)?;
                    let statements = self.rename(&column, &literal, id, account.id);
                    (statements, Some(now).filter(|_| users.is_unique(&column)))
                }
                None => {
                    let nothing = self.nothing(&column, account.id)?;
                    (self.update(&Values::from([(column.clone(), nothing)]), id), None)
                }
            };
            let held = self.held(&column, account, was.as_ref());
            self.names.push(Rename { column, id: id.to_owned(), held, wanted, statements });
            self.reversal.names += 1;
        }
        Ok(())
    }

    /// The columns whose names have changed here, with the new ones.
    fn changed_names(
        &self,
        present: &Present<'_>,
        was: Option<&AccountSeen>,
    ) -> Vec<(String, Option<String>)> {
        let login = &self.users.login;
        let mut changed: Vec<(String, Option<String>)> = Vec::new();
        for kind in KINDS {
            let Some(column) = column_of(self.users, kind) else { continue };
            let before = was.and_then(|was| was.names.get(place_of(kind)));
            let had = before.is_some_and(|name| name != ABSENT);
            match present.name(kind) {
                Some(name) if name.imported_as.is_some() => {}
                Some(name) => changed.push((column.to_owned(), Some(name.shown.clone()))),
                None if had => {
                    let is_login = column == login && self.users.signs_in_by_any_name();
                    let instead = present.address().filter(|_| is_login);
                    changed.push((column.to_owned(), instead.map(str::to_owned)));
                }
                None => {}
            }
        }
        // A username there that repeats an address: it is the account's own only as long as the
        // account has that address.
        let has_changed = !changed.is_empty() && changed.iter().all(|(column, _)| column != login);
        let repeats = self.users.signs_in_by_any_name()
            && present.name(Kind::Username).is_none()
            && !present.has_sign_up_name();
        if let Some(address) = present.address().filter(|_| has_changed && repeats) {
            changed.push((login.clone(), Some(address.to_owned())));
        }
        changed
    }

    /// The digest of the name that the column had at the adoption.
    fn held(&self, column: &str, account: &Account, was: Option<&AccountSeen>) -> Option<String> {
        let kind = KINDS.into_iter().find(|kind| column_of(self.users, *kind) == Some(column));
        let digest = kind.and_then(|kind| was?.names.get(place_of(kind)));
        match digest.filter(|digest| digest.as_str() != ABSENT) {
            Some(digest) => Some(digest.clone()),
            None if column == self.users.login => {
                account.sign_up_name.as_deref().map(|name| digest_of_name(name, true))
            }
            None => None,
        }
    }

    /// The statements that change the names of accounts that came from the Django.
    pub fn name_changes(&self) -> String {
        let mut statements = String::new();
        for step in in_order(&self.names) {
            match step {
                Step::Rename(place) => {
                    let rename = self.names.get(place);
                    statements.push_str(rename.map_or("", |rename| rename.statements.as_str()));
                }
                Step::Park(cycle) => {
                    statements.push_str(&self.park(&cycle).unwrap_or_default());
                }
            }
        }
        // A row may have another name there than at the adoption: what is not free yet is free the
        // second time.
        self.names.iter().for_each(|rename| statements.push_str(&rename.statements));
        statements
    }

    /// Gives the first row of a cycle a temporary name, if its rows have the names there that they had
    /// at the adoption, and no other rows have them: then each one gets its new name.
    fn park(&self, cycle: &[usize]) -> Option<String> {
        if cycle.len() > LONGEST_CYCLE {
            return None;
        }
        let renames: Vec<&Rename> =
            cycle.iter().filter_map(|place| self.names.get(*place)).collect();
        let (first, last) = (renames.first()?, renames.last()?);
        let (table, key, column) = (&self.table, &self.id, name(&first.column));
        let held = text(last.wanted.as_deref()?)?;
        let mut condition = format!("{key} = {} and {column} = {held}", first.id);
        condition.push_str(&self.is_free(&first.column, &held, &first.id));
        for (rename, holder) in renames.iter().zip(renames.iter().skip(1)) {
            let (wanted, id) = (text(rename.wanted.as_deref()?)?, &holder.id);
            condition.push_str(&format!(
                " and exists (select 1 from (select distinct {key} as holder_id from {table} where {column} = {wanted}) as holder where holder.holder_id = {id})"
            ));
            condition.push_str(&self.is_free(&first.column, &wanted, id));
        }
        let digest = hash(&format!("{} {} {column}", self.now, first.id));
        let temporary = format!("swap-{}", digest.get(..8)?);
        let is_short = self.users.takes(&first.column, &temporary);
        is_short
            .then(|| format!("update {table} set {column} = '{temporary}' where {condition};\n"))
    }

    fn add_new(&mut self, present: &Present<'_>, id: &str) -> Result<(), ReversalError> {
        let (users, account) = (self.users, present.account);
        let password = self.password(present)?;
        let names = self.names_of_new(present)?;
        let mut values = self.display_name(account)?;
        values.insert(users.password.clone(), password);
        if let Some(column) = &users.is_active {
            values.insert(column.clone(), account.is_active.to_string());
        }
        if let (Some(column), Some(at)) = (&users.last_login, account.last_sign_in_at) {
            values.insert(column.clone(), time(at));
        }
        if let (Some(column), Some(foreign_id)) = (&users.foreign_id, present.foreign_id) {
            let literal = match users.uuids.contains(column) {
                true => quoted_uuid(foreign_id, account.id)?,
                false => quoted(foreign_id, account.id)?,
            };
            values.insert(column.clone(), literal);
        }
        let unique: Vec<(String, String)> = names
            .iter()
            .filter(|(column, literal)| users.is_unique(column) && *literal != "null")
            .map(|(column, literal)| (column.clone(), literal.clone()))
            .collect();
        values.extend(names);
        for (column, literal) in &unique {
            self.rows.push_str(&self.free(column, literal, id, account.id));
        }
        // The rest of the Django may have made the row, without a usable password and rights.
        let (table, key, sets) = (&self.table, &self.id, assignments(&values));
        let free: String =
            unique.iter().map(|(column, literal)| self.is_free(column, literal, id)).collect();
        let has_column = |flag: &&str| {
            users.others.contains_key(*flag) || users.unfilled.iter().any(|name| name == flag)
        };
        let flags = RIGHTS.into_iter().filter(has_column);
        let plain: String = flags.map(|flag| format!(" and {} = false", name(flag))).collect();
        let password = name(&users.password);
        if self.is_given_here_alone(account) {
            self.rows.push_str(&format!(
                "update {table} set {sets} where {key} = {id} and {password} like '!%'{plain}{free};\n"
            ));
        }
        if !users.unfilled.is_empty() {
            self.reversal.new_accounts_without_row += 1;
            return Ok(());
        }
        let mut row = self.only_of_new(account)?;
        row.extend(values);
        row.insert(users.id.clone(), id.to_owned());
        let columns: Vec<_> = row.keys().map(|column| name(column)).collect();
        let literals: Vec<_> = row.values().map(String::as_str).collect();
        let (columns, literals) = (columns.join(", "), literals.join(", "));
        let taken: String = unique
            .iter()
            .map(|(column, literal)| format!(" or {} = {literal}", name(column)))
            .collect();
        self.rows.push_str(&format!(
            "insert into {table} ({columns}) select {literals} from (select 1 as one) as new_row where not exists (select 1 from {table} where {key} = {id}{taken});\n"
        ));
        self.reversal.new_accounts += 1;
        Ok(())
    }

    /// Whether no other person can have the id of a new account: without a first number of ours, the
    /// Django may have given the same number.
    fn is_given_here_alone(&self, account: &Account) -> bool {
        let is_number = self.users.id_form == IdForm::Number;
        !is_number || self.first_id.is_some_and(|first_id| account.id >= first_id)
    }

    /// The literals of the columns of names.
    fn names_of_new(&mut self, present: &Present<'_>) -> Result<Values, ReversalError> {
        let (users, account) = (self.users, present.account.id);
        let shown = |kind| present.name(kind).map(|name| name.shown.as_str());
        let mut names: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for kind in KINDS {
            if let Some(column) = column_of(users, kind) {
                names.insert(column, shown(kind));
            }
        }
        if users.signs_in_by_any_name() {
            names.insert(&users.login, shown(Kind::Username).or(present.address()));
        }
        let mut values = Values::new();
        for (column, name) in names {
            let literal = match name {
                Some(name) if users.takes(column, name) => quoted(name, account)?,
                Some(_) => {
                    self.reversal.names_too_long += 1;
                    self.nothing(column, account)?
                }
                None => self.nothing(column, account)?,
            };
            values.insert(column.to_owned(), literal);
        }
        Ok(values)
    }

    /// What only a new row gets, unless the account has it: it is the project's own.
    fn only_of_new(&self, account: &Account) -> Result<Values, ReversalError> {
        let users = self.users;
        let mut values = Values::new();
        for (column, other) in &users.others {
            // Whatever the default of the project is.
            let literal = match RIGHTS.contains(&column.as_str()) {
                true => Some("false".to_owned()),
                false => value(other),
            };
            let literal = literal.ok_or_else(|| ReversalError::Other(column.clone()))?;
            values.insert(column.clone(), literal);
        }
        for column in &users.times {
            values.insert(column.clone(), time(account.created_at));
        }
        for column in &users.uuids {
            values.insert(column.clone(), format!("'{}'", hex(&random::<16>()?)));
        }
        Ok(values)
    }

    /// The literal of the password as Django stores it.
    fn password(&mut self, present: &Present<'_>) -> Result<String, ReversalError> {
        let Some(stored) = &present.password.password else {
            // A new account without a password has lost none.
            self.reversal.passwords_removed += u64::from(present.account.imported);
            return unusable();
        };
        match django_form(stored) {
            Some(form) => {
                self.reversal.passwords += u64::from(present.account.imported);
                quoted(&form, present.account.id)
            }
            None => {
                self.reversal.passwords_unreadable += 1;
                unusable()
            }
        }
    }

    fn display_name(&self, account: &Account) -> Result<Values, ReversalError> {
        let shown = account.display_name.as_deref().unwrap_or_default();
        let parts = match self.users.display_name.as_slice() {
            [] => Vec::new(),
            [only] => vec![(only, shown)],
            [first, last, ..] => {
                let (before, after) = shown.split_once(' ').unwrap_or((shown, ""));
                vec![(first, before), (last, after)]
            }
        };
        let mut values = Values::new();
        for (column, part) in parts {
            let part = self.users.shortened(column, part);
            let literal = match part.is_empty() && self.users.is_nullable(column) {
                true => "null".to_owned(),
                false => quoted(part, account.id)?,
            };
            values.insert(column.clone(), literal);
        }
        Ok(values)
    }

    /// What a column of names has if the account has no such name.
    fn nothing(&self, column: &str, account: i64) -> Result<String, ReversalError> {
        match (self.users.is_nullable(column), self.users.is_unique(column)) {
            (true, _) => Ok("null".to_owned()),
            (false, true) => quoted(&format!("propusk-{account}"), account),
            (false, false) => Ok("''".to_owned()),
        }
    }

    fn update(&self, values: &Values, id: &str) -> String {
        let (table, key, sets) = (&self.table, &self.id, assignments(values));
        format!("update {table} set {sets} where {key} = {id};\n")
    }

    /// Gives the name to the account, unless an active one has it there.
    fn rename(&self, column: &str, literal: &str, id: &str, account: i64) -> String {
        if !self.users.is_unique(column) {
            return self.update(&Values::from([(column.to_owned(), literal.to_owned())]), id);
        }
        let free = self.free(column, literal, id, account);
        let is_free = self.is_free(column, literal, id);
        let (table, key, column) = (&self.table, &self.id, name(column));
        format!("{free}update {table} set {column} = {literal} where {key} = {id}{is_free};\n")
    }

    /// Takes the name from a disabled account: one that was deleted here cannot keep it.
    fn free(&self, column: &str, literal: &str, id: &str, account: i64) -> String {
        let Some(is_active) = &self.users.is_active else { return String::new() };
        let unused = match self.users.is_nullable(column) {
            true => "null".to_owned(),
            false => {
                let unused = hash(&format!("{} {account} {column}", self.now));
                format!("'gone-{}'", unused.get(..8).unwrap_or_default())
            }
        };
        let (table, key) = (&self.table, &self.id);
        let (column, is_active) = (name(column), name(is_active));
        format!(
            "update {table} set {column} = {unused} where {column} = {literal} and {key} <> {id} and {is_active} = false;\n"
        )
    }

    /// The condition that no other row has the name. MySQL reads the table of an update only through
    /// a table that it has to build first.
    fn is_free(&self, column: &str, literal: &str, id: &str) -> String {
        let (table, key, column) = (&self.table, &self.id, name(column));
        format!(
            " and not exists (select 1 from (select distinct {key} as taken_id from {table} where {column} = {literal}) as taken where taken.taken_id <> {id})"
        )
    }
}

impl Present<'_> {
    fn name(&self, kind: Kind) -> Option<&PresentName> {
        self.names.iter().find(|name| name.kind == kind.as_str())
    }

    /// By which a Django can know an account without a username.
    fn address(&self) -> Option<&str> {
        let addresses = ADDRESSES.into_iter().filter_map(|kind| self.name(kind));
        addresses.map(|name| name.shown.as_str()).next()
    }

    /// Whether the name there is no address, or one that the account still has.
    fn has_sign_up_name(&self) -> bool {
        let sign_up_name = self.account.sign_up_name.as_deref();
        let address = sign_up_name.and_then(|name| Identifier::parse_as(name, &ADDRESSES));
        address.is_none_or(|address| self.names.iter().any(|name| name.key == address.key()))
    }
}

/// The column with names of this kind.
fn column_of(users: &DjangoUsers, kind: Kind) -> Option<&str> {
    match kind {
        Kind::Email => users.email.as_deref(),
        Kind::Phone => users.phone.as_deref(),
        Kind::Username => users.username.as_deref(),
    }
}

fn quoted(string: &str, account: i64) -> Result<String, ReversalError> {
    text(string).ok_or(ReversalError::Nul(account))
}

/// In the form that SQLite and MySQL store, which Postgres reads too.
fn quoted_uuid(uuid: &str, account: i64) -> Result<String, ReversalError> {
    match without_hyphens(uuid) {
        Some(digits) => quoted(&digits, account),
        None => quoted(uuid, account),
    }
}

fn assignments(values: &Values) -> String {
    let sets: Vec<_> =
        values.iter().map(|(column, literal)| format!("{} = {literal}", name(column))).collect();
    sets.join(", ")
}

/// An unusable password, as Django stores it.
fn unusable() -> Result<String, ReversalError> {
    Ok(format!("'!{}'", hex(&random::<20>()?)))
}

/// The hash as Django stores it; `None` if no hasher of Django reads it.
fn django_form(stored: &str) -> Option<String> {
    let is_bcrypt = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| stored.starts_with(prefix));
    if stored.starts_with("$argon2") {
        return Some(format!("argon2{stored}"));
    }
    if is_bcrypt {
        return Some(format!("bcrypt${stored}"));
    }
    let is_other = stored.starts_with('$') || stored.starts_with("pbkdf2_sha512$");
    (!is_other).then(|| stored.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_gets_the_form_of_django() {
        let form = |stored| django_form(stored);
        assert_eq!(form("$argon2id$v=19$m=1").as_deref(), Some("argon2$argon2id$v=19$m=1"));
        assert_eq!(form("$2b$12$x").as_deref(), Some("bcrypt$$2b$12$x"));
        assert_eq!(form("md5$salt$x").as_deref(), Some("md5$salt$x"));
        assert_eq!(form("$pbkdf2-sha256$1$a$b"), None);
    }

    #[test]
    fn ids_are_literals_of_their_form() {
        let mut users = DjangoUsers::of_django("sqlite");
        let uuid = "=6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        let id =
            |users: &DjangoUsers, key| Script::new(users, None, 0).id_of_key(key).expect("an id");
        assert_eq!(id(&users, "17"), "17");
        users.id_form = IdForm::Uuid;
        assert_eq!(id(&users, uuid), "'6ba7b8109dad11d180b400c04fd430c8'");
        users.id_form = IdForm::Text;
        assert_eq!(id(&users, "=o'n"), "'o''n'");
        assert_eq!(id(&users, uuid), "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'");
    }
}
