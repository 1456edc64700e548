//! Databases like those of Djangos, made by statements of both engines.

use std::path::PathBuf;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;

use crate::database::Database;

/// A database like that of a Django: SQLite, or the Postgres of the tests.
pub struct Donor {
    folder: TempDir,
    database: Database,
}

impl Donor {
    /// One in which these statements were executed: `{time}` and `{uuid}` are types, and `{utc}`
    /// follows a time.
    pub async fn of(statements: &[&str]) -> Donor {
        let folder = tempfile::tempdir().expect("a directory");
        let donor = Donor { folder, database: Database::fresh().await };
        for statement in statements {
            donor.execute(statement).await;
        }
        donor
    }

    /// Where it is if it is SQLite.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("db.sqlite3")
    }

    /// `None` if it is SQLite.
    pub fn postgres_url(&self) -> Option<&str> {
        self.database.url()
    }

    pub fn url(&self) -> String {
        match self.database.url() {
            Some(url) => url.to_owned(),
            None => format!("sqlite://{}", self.file().display()),
        }
    }

    /// Locks the users, as a migration does.
    pub async fn lock(&self) -> Lock {
        match self.database.url() {
            Some(url) => {
                let mut connection = PgConnection::connect(url).await.expect("a connection");
                let statement = "begin; lock table auth_user in access exclusive mode";
                connection.execute(statement).await.expect("the lock");
                Lock::Postgres(connection)
            }
            None => {
                let options = SqliteConnectOptions::new().filename(self.file());
                let mut connection =
                    SqliteConnection::connect_with(&options).await.expect("a connection");
                connection.execute("begin exclusive").await.expect("the lock");
                Lock::Sqlite(connection)
            }
        }
    }

    pub async fn execute(&self, statement: &str) {
        let types = match self.database.url() {
            Some(_) => {
                [("{time}", "timestamp with time zone"), ("{uuid}", "uuid"), ("{utc}", "+00")]
            }
            None => [("{time}", "datetime"), ("{uuid}", "char(32)"), ("{utc}", "")],
        };
        let statement = types
            .iter()
            .fold(statement.to_owned(), |statement, (from, to)| statement.replace(from, to));
        let statement = AssertSqlSafe(statement);
        match self.database.url() {
            Some(url) => {
                let mut connection = PgConnection::connect(url).await.expect("a connection");
                connection.execute(statement).await.expect("a statement of the test's own");
            }
            None => {
                let options = SqliteConnectOptions::new().filename(self.file());
                let options = options.create_if_missing(true);
                let mut connection =
                    SqliteConnection::connect_with(&options).await.expect("a connection");
                connection.execute(statement).await.expect("a statement of the test's own");
                connection.close().await.expect("a closed file");
            }
        }
    }
}

/// A connection that keeps others from reading the users.
pub enum Lock {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Lock {
    pub async fn release(self) {
        let closed = match self {
            Lock::Sqlite(connection) => connection.close().await,
            Lock::Postgres(connection) => connection.close().await,
        };
        closed.expect("a closed connection");
    }
}

pub const CONTENT_TYPES: &str =
    "create table django_content_type (id integer primary key, app_label varchar(100))";
pub const MIGRATIONS: &str =
    "create table django_migrations (id integer primary key, app varchar(255), name varchar(255))";
pub const USERS: &str =
    "create table auth_user (id integer primary key, password varchar(128) not null,
    last_login {time}, is_superuser bool not null, username varchar(150) not null unique,
    first_name varchar(150) not null, last_name varchar(150) not null, email varchar(254) not null,
    is_active bool not null, date_joined {time} not null)";
pub const KEYS: &str =
    "create table authtoken_token (key varchar(40) primary key, created {time} not null,
    user_id integer not null unique references auth_user (id))";
pub const OUTSTANDING: &str =
    "create table token_blacklist_outstandingtoken (id integer primary key,
    token text not null, created_at {time}, expires_at {time} not null,
    user_id integer references auth_user (id), jti varchar(255) not null unique)";
pub const BLACKLISTED: &str =
    "create table token_blacklist_blacklistedtoken (id integer primary key,
    token_id integer not null unique references token_blacklist_outstandingtoken (id))";
pub const IDENTITIES: &str = "create table social_auth_usersocialauth (id integer primary key,
    provider varchar(32) not null, uid varchar(255) not null,
    user_id integer not null references auth_user (id))";
pub const OAUTH: &[&str] = &[
    "create table oauth2_provider_application (id integer primary key,
     client_id varchar(100) not null, client_secret varchar(255) not null,
     client_type varchar(32) not null, authorization_grant_type varchar(32) not null,
     name varchar(255) not null)",
    "create table oauth2_provider_accesstoken (id integer primary key, token text not null,
     token_checksum varchar(64) not null unique, user_id integer references auth_user (id),
     application_id integer not null, created {time} not null, expires {time} not null,
     scope text not null)",
    "create table oauth2_provider_refreshtoken (id integer primary key, token varchar(255) not null,
     user_id integer not null, application_id integer not null, created {time} not null,
     revoked {time}, access_token_id integer)",
];
/// Four people, of whom one has an id that is none, with a key, tokens and identities.
pub const ROWS: &str = "insert into auth_user values
        (7, 'md5$seasalt2$9a23937e2b8589427f13f89b6d66e9cd', '2021-03-04 05:06:07.9{utc}', false,
         'anna', 'Anna', 'Berg', 'anna@example.com', true, '2020-03-04 05:06:07{utc}'),
        (8, '!unusable', null, true, 'bob', '', '', '', true, '2020-03-04 05:06:07{utc}'),
        (9, '', null, false, 'carla', '', '', 'carla@example.com', false,
         '2020-03-04 05:06:07{utc}'),
        (-1, '', null, false, 'ghost', '', '', '', true, '2020-03-04 05:06:07{utc}');
    insert into authtoken_token values
        ('0123456789abcdef0123456789abcdef01234567', '2020-03-04 05:06:07{utc}', 7),
        ('f123456789abcdef0123456789abcdef01234567', '2020-03-04 05:06:07{utc}', -1);
    insert into token_blacklist_outstandingtoken values
        (1, 'a.b.c', '2020-03-04 05:06:07{utc}', '2100-01-01 00:00:00{utc}', 7, 'live'),
        (2, 'a.b.c', '2020-03-04 05:06:07{utc}', '2100-01-01 00:00:00{utc}', 7, 'spent'),
        (3, 'a.b.c', '2020-03-04 05:06:07{utc}', '2020-03-05 00:00:00{utc}', 7, 'expired'),
        (4, 'a.b.c', '2020-03-04 05:06:07{utc}', '2100-01-01 00:00:00{utc}', null, 'of nobody');
    insert into token_blacklist_blacklistedtoken values (1, 2);
    insert into social_auth_usersocialauth values
        (1, 'google-oauth2', 'anna@example.com', 7), (2, 'vk-oauth2', '12345', 8),
        (3, 'vk-oauth2', '', 9)";
pub const DJANGO: &[&str] =
    &[CONTENT_TYPES, USERS, KEYS, OUTSTANDING, BLACKLISTED, IDENTITIES, ROWS];
