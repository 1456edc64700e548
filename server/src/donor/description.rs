//! How a Django keeps its users, in the first line of the file: the way back writes to this table.
//! The database does not have the defaults of a model. A column that needs one is `unfilled`, unless
//! there is a value that is right for every new row.

use std::collections::BTreeMap;

use serde_json::Value;

use super::connection::{Connection, Engine};
use super::django::{Proved, Users};
use super::problem::Problem;
use super::schema::{Column, Kind, place, quoted};
use crate::import_file::{DjangoUsers, IdForm};

/// Rights, which a new row does not have.
const RIGHTS: [&str; 2] = ["is_staff", "is_superuser"];

/// What a new row has in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filling {
    /// What is known of the account, a value of the database, or null.
    None,
    /// When the account was made.
    Time,
    Uuid,
    False,
    /// An empty text, if another row has one.
    Empty,
    Unknown,
}

/// Describes the table; `None` if a part of each user is in another one.
pub async fn describe(
    connection: &mut Connection,
    users: &Users,
) -> Result<Option<DjangoUsers>, Problem> {
    let Some(key) = users.table.column(&users.key).filter(|key| !key.is_reference) else {
        return Ok(None);
    };
    let has = |name: &str| users.table.has(name).then(|| name.to_owned());
    let mut described = DjangoUsers {
        engine: match connection.engine() {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgresql",
        }
        .to_owned(),
        table: users.table.name.clone(),
        id: users.key.clone(),
        id_form: match key.kind {
            _ if key.is_uuid() => IdForm::Uuid,
            Kind::Integer => IdForm::Number,
            _ => IdForm::Text,
        },
        login: users.login.clone(),
        email: users.email.clone(),
        phone: users.phone.clone(),
        username: users.username.clone(),
        password: "password".to_owned(),
        display_name: users.display_name.clone(),
        is_active: has("is_active"),
        last_login: has("last_login"),
        foreign_id: users.foreign_id.clone(),
        times: Vec::new(),
        uuids: Vec::new(),
        others: BTreeMap::new(),
        unfilled: Vec::new(),
        unique: names(users, |column| column.is_key || column.is_unique),
        nullable: names(users, |column| column.is_nullable && !column.is_key),
        lengths: lengths(users),
    };
    for column in users.table.columns() {
        let name = column.name.clone();
        let mut filling = filling(users, column);
        if filling == Filling::Empty && !has_empty(connection, users, &name).await? {
            filling = Filling::Unknown;
        }
        match filling {
            Filling::None => {}
            Filling::Time => described.times.push(name),
            Filling::Uuid => described.uuids.push(name),
            Filling::False => drop(described.others.insert(name, Value::Bool(false))),
            Filling::Empty => drop(described.others.insert(name, Value::from(""))),
            Filling::Unknown => described.unfilled.push(name),
        }
    }
    Ok(Some(described))
}

/// What of the way back is not known, for people.
pub fn finding(described: Option<&DjangoUsers>) -> Option<String> {
    let Some(users) = described else {
        return Some("no way back: a part of each user is in another table".to_owned());
    };
    (!users.unfilled.is_empty()).then(|| {
        format!(
            "on the way back, new accounts get no row: its defaults for {} are not in the database",
            users.unfilled.join(", ")
        )
    })
}

fn names(users: &Users, is_so: impl Fn(&Column) -> bool) -> Vec<String> {
    let columns = users.table.columns().iter().filter(|column| is_so(column));
    columns.map(|column| column.name.clone()).collect()
}

fn lengths(users: &Users) -> BTreeMap<String, usize> {
    let columns = users.table.columns().iter();
    columns.filter_map(|column| Some((column.name.clone(), column.length()?))).collect()
}

fn filling(users: &Users, column: &Column) -> Filling {
    let is = |name: &Option<String>| name.as_ref() == Some(&column.name);
    let is_name = column.name == users.login
        || is(&users.email)
        || is(&users.phone)
        || is(&users.username)
        || users.display_name.contains(&column.name);
    let of_account = ["password", "is_active", "last_login"].contains(&column.name.as_str());
    if is_name || of_account || column.name == users.key {
        return Filling::None;
    }
    if is(&users.foreign_id) && column.is_uuid() {
        return Filling::Uuid;
    }
    if is(&users.joined_at) && column.is_time() {
        return Filling::Time;
    }
    if column.is_nullable || column.has_default {
        return Filling::None;
    }
    let is_proof = users.proved == Proved::Column(column.name.clone()) || is(&users.phone_proved);
    let is_no = RIGHTS.contains(&column.name.as_str()) || is_proof || is(&users.deleted);
    match column.kind {
        _ if column.is_reference => Filling::Unknown,
        _ if column.is_time() => Filling::Time,
        _ if column.is_uuid() => Filling::Uuid,
        Kind::Boolean if is_no => Filling::False,
        Kind::Text if column.is_plain_text() && !column.is_unique && column.is_readable => {
            Filling::Empty
        }
        _ => Filling::Unknown,
    }
}

/// Whether a row has an empty text there, so that it is one that the Django knows.
async fn has_empty(
    connection: &mut Connection,
    users: &Users,
    column: &str,
) -> Result<bool, Problem> {
    let table = quoted(&users.table.name);
    let sql = format!(
        "select cast(1 as text) from {table} as u where {} = '' limit 1",
        place("u", column)
    );
    Ok(!connection.texts(sql).await?.is_empty())
}
