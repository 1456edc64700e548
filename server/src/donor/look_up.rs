//! Looks up one account: the lines of an import file that has nothing else.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::connection::{Connection, Extent};
use super::django::{ACCESS_TOKENS, Django, KEYS};
use super::lines::Lines;
use super::problem::{DonorError, Problem};
use super::schema::{Column, place, quoted};
use super::value::sha256;
use crate::config::Adopt;
use crate::store::Database;

/// The digest of an access token in newer versions of its library, which has an index there.
const CHECKSUM: &str = "token_checksum";
/// For how long the catalogue is not read again, in seconds: that is most of a look-up.
const CATALOGUE: i64 = 60;

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
    /// What its catalogue had, and when.
    known: Mutex<Option<(i64, Django)>>,
}

/// A statement, and its values.
type Question = (String, Vec<String>);

impl Source {
    pub fn new(url: &str, settings: Adopt) -> Result<Source, DonorError> {
        let database = Database::of(Some(url), Path::new("."));
        let database = database.map_err(|_| DonorError::of("adopt.look_up", Problem::Url))?;
        Ok(Source { database, settings, known: Mutex::default() })
    }

    /// The lines of this account; `None` if there is none, or more than one.
    pub async fn look_up(&self, wanted: &Wanted, now: i64) -> Result<Option<Vec<u8>>, DonorError> {
        if wanted.has_nul() {
            return Ok(None);
        }
        let found = self.find(wanted, now).await;
        found.map_err(|problem| {
            // It may have been migrated.
            *self.known() = None;
            DonorError::of(&self.database.to_string(), problem)
        })
    }

    async fn find(&self, wanted: &Wanted, now: i64) -> Result<Option<Vec<u8>>, Problem> {
        let mut connection = Connection::open(&self.database, Extent::Account).await?;
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
        let mut django = self.django(connection, now).await?;
        let question = match wanted {
            Wanted::Name(spellings) => Some(by_name(&django, spellings)),
            Wanted::Token(token) => by_token(&django, token),
        };
        let Some((sql, values)) = question else { return Ok(None) };
        let mut keys = connection.texts_of(sql, &values).await?.into_iter();
        let (Some(key), None) = (keys.next(), keys.next()) else { return Ok(None) };
        django.users.only = Some(key);
        let lines = Lines::new(Vec::new(), &django, &self.settings, now, |_| ());
        Ok(Some(lines.write_all(connection, None).await?))
    }

    /// What the catalogue has, or had a moment ago.
    async fn django(&self, connection: &mut Connection, now: i64) -> Result<Django, Problem> {
        let known = self.known().clone();
        if let Some((_, django)) = known.filter(|(at, _)| (*at..*at + CATALOGUE).contains(&now)) {
            return Ok(django);
        }
        let django = Django::look(connection, &self.settings).await?;
        *self.known() = Some((now, django.clone()));
        Ok(django)
    }

    fn known(&self) -> MutexGuard<'_, Option<(i64, Django)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wanted {
    /// Whether no text of a database can be this one: Postgres refuses it.
    fn has_nul(&self) -> bool {
        match self {
            Wanted::Name(spellings) => spellings.iter().any(|name| name.contains('\0')),
            Wanted::Token(token) => token.contains('\0'),
        }
    }
}

/// The keys of the users with a name that has one of so many spellings.
fn by_name(django: &Django, spellings: &[String]) -> Question {
    let users = &django.users;
    let values: Vec<_> = (1..=spellings.len()).map(|number| format!("${number}")).collect();
    let values = values.join(", ");
    let columns = [Some(&users.login), users.email.as_ref(), users.phone.as_ref()];
    let columns = columns.into_iter().chain([users.username.as_ref()]).flatten();
    // A cast would keep SQLite from its index.
    let text = |column: &String| match users.table.column(column).is_some_and(Column::is_plain_text)
    {
        true => place("u", column),
        false => users.table.text("u", column),
    };
    let conditions: Vec<_> =
        columns.map(|column| format!("{} in ({values})", text(column))).collect();
    let sql = format!(
        "select {} from {} as u where {} and ({}) limit 2",
        users.table.text("u", &users.key),
        quoted(&users.table.name),
        users.is_read(),
        conditions.join(" or "),
    );
    (sql, spellings.to_vec())
}

/// The key of the user with a token; `None` if the Django has no tokens that are looked up.
fn by_token(django: &Django, token: &str) -> Option<Question> {
    let users = &django.users;
    let key = users.table.text("u", &users.key);
    let joined = users.joined_to("t");
    let checksum = django.table(ACCESS_TOKENS).and_then(|table| table.column(CHECKSUM));
    let of_access = match checksum.is_some_and(|column| column.is_readable) {
        true => (ACCESS_TOKENS, CHECKSUM, sha256(token)),
        false => (ACCESS_TOKENS, "token", token.to_owned()),
    };
    let (mut questions, mut values) = (Vec::new(), Vec::new());
    for (table, column, value) in [(KEYS, "key", token.to_owned()), of_access] {
        if django.table(table).is_some() {
            values.push(value);
            let (place, number) = (place("t", column), values.len());
            questions
                .push(format!("select {key} from {table} as t {joined} where {place} = ${number}"));
        }
    }
    (!questions.is_empty()).then(|| (questions.join(" union "), values))
}
