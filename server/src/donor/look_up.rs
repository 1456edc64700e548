//! Looks up one account: the lines of an import file that has nothing else.

use std::path::Path;

use super::connection::Connection;
use super::django::{ACCESS_TOKENS, Django, KEYS, kind_of};
use super::lines::Lines;
use super::problem::{DonorError, Problem};
use super::schema::{Kind, place, quoted};
use crate::config::Adopt;
use crate::store::Database;

/// What an account is looked up by. No `Debug`: it may be a secret.
pub enum Wanted {
    /// The spellings of a name.
    Name(Vec<String>),
    /// An API token or an opaque access token, as an app sends it.
    Token(String),
}

/// The database of a Django in which accounts are looked up.
pub struct Source {
    database: Database,
    settings: Adopt,
}

impl Source {
    pub fn new(url: &str, settings: Adopt) -> Result<Source, DonorError> {
        let database = Database::of(Some(url), Path::new("."));
        let database = database.map_err(|_| DonorError::of("adopt.look_up", Problem::Url))?;
        Ok(Source { database, settings })
    }

    /// The lines of this account; `None` if there is none, or more than one.
    pub async fn look_up(&self, wanted: &Wanted, now: i64) -> Result<Option<Vec<u8>>, DonorError> {
        let found = self.find(wanted, now).await;
        found.map_err(|problem| DonorError::of(&self.database.to_string(), problem))
    }

    async fn find(&self, wanted: &Wanted, now: i64) -> Result<Option<Vec<u8>>, Problem> {
        let mut connection = Connection::open(&self.database).await?;
        let lines = self.lines(&mut connection, wanted, now).await;
        connection.close().await;
        lines
    }

    async fn lines(
        &self,
        connection: &mut Connection,
        wanted: &Wanted,
        now: i64,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let mut django = Django::look(connection, &self.settings).await?;
        let (sql, values) = match wanted {
            Wanted::Name(spellings) => (Some(by_name(&django, spellings.len())), spellings.clone()),
            Wanted::Token(token) => (by_token(&django), vec![token.clone()]),
        };
        let Some(sql) = sql else { return Ok(None) };
        let mut keys = connection.texts_of(sql, &values).await?.into_iter();
        let (Some(key), None) = (keys.next(), keys.next()) else { return Ok(None) };
        django.users.only = Some(key);
        let lines = Lines::new(Vec::new(), &django, &self.settings, now, |_| ());
        Ok(Some(lines.write_all(connection).await?))
    }
}

/// The keys of the users with a name that has one of so many spellings.
fn by_name(django: &Django, spellings: usize) -> String {
    let users = &django.users;
    let values: Vec<_> = (1..=spellings).map(|number| format!("${number}")).collect();
    let values = values.join(", ");
    let columns = [Some(&users.login), users.email.as_ref(), users.phone.as_ref()];
    let columns = columns.into_iter().chain([users.username.as_ref()]).flatten();
    // A cast would keep SQLite from its index.
    let text = |column: &String| match kind_of(&users.table, column) {
        Kind::Text => place("u", column),
        _ => users.table.text("u", column),
    };
    let conditions: Vec<_> =
        columns.map(|column| format!("{} in ({values})", text(column))).collect();
    format!(
        "select {} from {} as u where {} and ({}) limit 2",
        users.table.text("u", &users.key),
        quoted(&users.table.name),
        users.is_read(),
        conditions.join(" or "),
    )
}

/// The key of the user with a token; `None` if the Django has no tokens that are looked up.
fn by_token(django: &Django) -> Option<String> {
    let users = &django.users;
    let key = users.table.text("u", &users.key);
    let joined = users.joined_to("t");
    let of = |(table, column): (&str, &str)| {
        format!("select {key} from {table} as t {joined} where {} = $1", place("t", column))
    };
    let tables = [(KEYS, "key"), (ACCESS_TOKENS, "token")];
    let tables = tables.into_iter().filter(|(table, _)| django.table(table).is_some());
    let questions: Vec<_> = tables.map(of).collect();
    (!questions.is_empty()).then(|| questions.join(" union "))
}
