//! What a Django's database has of what is read: the table of users with its columns, and the
//! tables of the usual libraries. A database that is none, or has but half of a library, is
//! refused.

use std::collections::{BTreeMap, BTreeSet};

use super::connection::Connection;
use super::problem::Problem;
use super::schema::{Column, Kind, Table, literal, place, quoted, referred_by, user_like_tables};
use crate::config::Adopt;

/// A library with its tables, and the columns that are read of them.
struct Library {
    /// Its name in `django_migrations`; `None` if an application of the project may have it too.
    label: Option<&'static str>,
    tables: &'static [(&'static str, &'static [&'static str])],
}

pub const KEYS: &str = "authtoken_token";
pub const OUTSTANDING: &str = "token_blacklist_outstandingtoken";
pub const BLACKLISTED: &str = "token_blacklist_blacklistedtoken";
pub const APPLICATIONS: &str = "oauth2_provider_application";
pub const ACCESS_TOKENS: &str = "oauth2_provider_accesstoken";
pub const REFRESH_TOKENS: &str = "oauth2_provider_refreshtoken";
pub const SOCIAL: &str = "social_auth_usersocialauth";
pub const ALLAUTH: &str = "socialaccount_socialaccount";
pub const ADDRESSES: &str = "account_emailaddress";

const LIBRARIES: &[Library] = &[
    Library { label: Some("authtoken"), tables: &[(KEYS, &["key", "user_id", "created"])] },
    Library {
        label: Some("token_blacklist"),
        tables: &[
            (OUTSTANDING, &["id", "token", "user_id", "created_at", "expires_at", "jti"]),
            (BLACKLISTED, &["id", "token_id"]),
        ],
    },
    Library {
        label: Some("oauth2_provider"),
        tables: &[
            (
                APPLICATIONS,
                &[
                    "id",
                    "client_id",
                    "client_secret",
                    "client_type",
                    "authorization_grant_type",
                    "name",
                ],
            ),
            (
                ACCESS_TOKENS,
                &["id", "token", "user_id", "application_id", "created", "expires", "scope"],
            ),
            (
                REFRESH_TOKENS,
                &[
                    "id",
                    "token",
                    "user_id",
                    "application_id",
                    "created",
                    "revoked",
                    "access_token_id",
                ],
            ),
        ],
    },
    Library {
        label: Some("social_django"),
        tables: &[(SOCIAL, &["id", "user_id", "provider", "uid"])],
    },
    Library {
        label: Some("socialaccount"),
        tables: &[(ALLAUTH, &["id", "user_id", "provider", "uid"])],
    },
    Library { label: None, tables: &[(ADDRESSES, &["user_id", "email", "verified"])] },
];

/// Tables whose `user_id` refers to the users.
const OF_USERS: &[&str] =
    &[KEYS, OUTSTANDING, ACCESS_TOKENS, SOCIAL, ALLAUTH, ADDRESSES, "django_admin_log"];
/// Libraries whose tokens or devices have no counterpart here.
const LEFT_OUT: &[&str] =
    &["knox_authtoken", "durin_authtoken", "trench_mfamethod", "otp_totp_totpdevice"];

/// How it is known that an address is the account's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proved {
    /// Those of active accounts.
    Active,
    Never,
    /// allauth's table says it.
    Allauth,
    /// A column says it.
    Column(String),
}

impl Proved {
    fn as_str(&self) -> &str {
        match self {
            Proved::Active => "active",
            Proved::Never => "never",
            Proved::Allauth => "allauth",
            Proved::Column(column) => column,
        }
    }
}

/// The table of users, and the columns that it has of those that are read.
#[derive(Clone)]
pub struct Users {
    pub table: Table,
    pub key: String,
    pub key_kind: Kind,
    /// What a person signs in with.
    pub login: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub username: Option<String>,
    /// One, or two with a blank between them.
    pub display_name: Vec<String>,
    pub joined_at: Option<String>,
    /// What issued tokens call the account, if that is not its key.
    pub foreign_id: Option<String>,
    pub proved: Proved,
    pub phone_proved: Option<String>,
    pub deleted: Option<String>,
    /// Claims of tokens, with their columns.
    pub attributes: Vec<(String, String)>,
    /// The key of the only row that is read; `None`: all are.
    pub only: Option<String>,
}

/// What is read of the database.
#[derive(Clone)]
pub struct Django {
    pub users: Users,
    tables: BTreeMap<&'static str, Table>,
    left_out: Vec<&'static str>,
}

impl Django {
    /// Looks at the catalogue, and refuses what is no whole database of a Django.
    pub async fn look(connection: &mut Connection, settings: &Adopt) -> Result<Django, Problem> {
        check_kind(connection).await?;
        let tables = libraries(connection).await?;
        let users = users(connection, &tables, settings).await?;
        let mut left_out = Vec::new();
        for table in LEFT_OUT {
            if Table::load(connection, table).await?.is_some() {
                left_out.push(*table);
            }
        }
        Ok(Django { users, tables, left_out })
    }

    /// A table of a library, if the Django has that.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// How many users have a number that is none here.
    pub async fn count_left_out(&self, connection: &mut Connection) -> Result<u64, Problem> {
        let users = &self.users;
        if users.key_kind != Kind::Integer {
            return Ok(0);
        }
        let is_present = users.is_present().unwrap_or_else(|| "1 = 1".to_owned());
        let sql = format!(
            "select cast(count(*) as text) from {} as u where {} <= 0 and {is_present}",
            quoted(&users.table.name),
            place("u", &users.key),
        );
        let count = connection.texts(sql).await?;
        Ok(count.first().and_then(|count| count.parse().ok()).unwrap_or_default())
    }

    /// What was found, for people.
    pub fn findings(&self) -> Vec<String> {
        let users = &self.users;
        let name = |column: &Option<String>| column.clone().unwrap_or_else(|| "none".to_owned());
        let display_name = match users.display_name.is_empty() {
            true => "none".to_owned(),
            false => users.display_name.join(" and "),
        };
        let mut findings = vec![format!(
            "users: {}; signs in by {}; email = {}, phone = {}, username = {}, display_name = {}, \
             joined_at = {}, deleted = {}; proved: {}",
            users.table.name,
            users.login,
            name(&users.email),
            name(&users.phone),
            name(&users.username),
            display_name,
            name(&users.joined_at),
            name(&users.deleted),
            users.proved.as_str(),
        )];
        if users.proved == Proved::Active && users.email.as_ref() == Some(&users.login) {
            let warning = "addresses of active accounts count as verified; if owners could change \
                           theirs without a mail, as djoser's set_email lets them, set \
                           adopt.proved to never";
            findings.push(warning.to_owned());
        }
        findings.extend(self.left_out.iter().map(|table| format!("rows of {table} are not kept")));
        findings
    }
}

impl Users {
    /// The users as `u`, joined to a table that has this other name: none that is left out.
    pub fn joined_to(&self, alias: &str) -> String {
        format!(
            "join {} as u on {} = {} and {}",
            quoted(&self.table.name),
            place("u", &self.key),
            place(alias, "user_id"),
            self.is_read(),
        )
    }

    /// The condition under which a user is not marked as deleted; `None` if none ever is.
    fn is_present(&self) -> Option<String> {
        let column = self.deleted.as_ref()?;
        let place = place("u", column);
        let is_flag = self.table.column(column).is_some_and(|it| it.kind == Kind::Boolean);
        Some(match is_flag {
            true => format!("({place} is null or not {place})"),
            false => format!("{place} is null"),
        })
    }

    /// The condition under which a row of the users is read.
    pub fn is_read(&self) -> String {
        let mut conditions = Vec::new();
        if self.key_kind == Kind::Integer {
            conditions.push(format!("{} > 0", place("u", &self.key)));
        }
        conditions.extend(self.is_present());
        if let Some(key) = &self.only {
            conditions.push(format!("{} = {}", place("u", &self.key), literal(key)));
        }
        match conditions.is_empty() {
            true => "1 = 1".to_owned(),
            false => conditions.join(" and "),
        }
    }
}

async fn check_kind(connection: &mut Connection) -> Result<(), Problem> {
    let mut has = BTreeSet::new();
    for table in ["django_content_type", "django_migrations", "_sqlx_migrations", "identifiers"] {
        if Table::load(connection, table).await?.is_some() {
            has.insert(table);
        }
    }
    if has.contains("django_content_type") {
        return Ok(());
    }
    Err(match has.contains("_sqlx_migrations") && has.contains("identifiers") {
        true => Problem::Propusk,
        false if has.contains("django_migrations") => {
            Problem::HalfMigrated("the table django_content_type".to_owned())
        }
        false => Problem::NoDjango,
    })
}

/// The tables of the libraries that the Django has, each whole.
async fn libraries(connection: &mut Connection) -> Result<BTreeMap<&'static str, Table>, Problem> {
    let migrated = migrated(connection).await?;
    let mut tables = BTreeMap::new();
    for library in LIBRARIES {
        let mut found = Vec::new();
        for (name, columns) in library.tables {
            found.push((*name, *columns, Table::load(connection, name).await?));
        }
        let is_installed = found.iter().any(|(_, _, table)| table.is_some())
            || library.label.is_some_and(|label| migrated.contains(label));
        if !is_installed {
            continue;
        }
        for (name, columns, table) in found {
            let Some(table) = table else {
                return Err(Problem::HalfMigrated(format!("the table {name}")));
            };
            for column in columns {
                if !table.has(column) {
                    return Err(Problem::HalfMigrated(format!("the column {column} of {name}")));
                }
                table.check_right(column)?;
            }
            tables.insert(name, table);
        }
    }
    Ok(tables)
}

/// The applications with migrations that were applied; none if this user may not know.
async fn migrated(connection: &mut Connection) -> Result<BTreeSet<String>, Problem> {
    match Table::load(connection, "django_migrations").await? {
        Some(table) if table.column("app").is_some_and(|column| column.is_readable) => {
            let sql = "select distinct cast(app as text) from django_migrations";
            Ok(connection.texts(sql.to_owned()).await?.into_iter().collect())
        }
        _ => Ok(BTreeSet::new()),
    }
}

/// The table that a setting names, or that the tables of the libraries refer to, or the only one
/// that looks like one.
async fn user_table(connection: &mut Connection, settings: &Adopt) -> Result<Table, Problem> {
    let name = match &settings.user_table {
        Some(name) => name.clone(),
        None => {
            let mut names = BTreeSet::new();
            for table in OF_USERS {
                names.extend(referred_by(connection, table, "user_id").await?);
            }
            if names.is_empty() {
                names.extend(user_like_tables(connection).await?);
            }
            let names: Vec<String> = names.into_iter().collect();
            match names.as_slice() {
                [name] => name.clone(),
                [] => return Err(Problem::NoUsers),
                several => return Err(Problem::SeveralUsers(several.join(", "))),
            }
        }
    };
    Table::load(connection, &name).await?.ok_or(Problem::NotUsers(name))
}

async fn users(
    connection: &mut Connection,
    tables: &BTreeMap<&'static str, Table>,
    settings: &Adopt,
) -> Result<Users, Problem> {
    let table = user_table(connection, settings).await?;
    let not_users = || Problem::NotUsers(table.name.clone());
    let key = table.key().filter(|_| table.has("password")).ok_or_else(not_users)?;
    let (key, key_kind) = (key.name.clone(), key.kind);
    let chosen = |setting: &str, given: &Option<String>, usual: &[&str]| {
        chosen(&table, setting, given.as_deref(), usual)
    };
    let login =
        chosen("username_field", &settings.username_field, &["username", "email", "phone"])?;
    let login = login.ok_or_else(|| Problem::NoLogin(table.name.clone()))?;
    let email = chosen("email", &settings.email, &["email"])?;
    let phones = ["phone", "phone_number", "mobile", "mobile_number"];
    let phone = chosen("phone", &settings.phone, &phones)?;
    let phone = match phone {
        None if settings.phone.is_none() && login.contains("phone") => Some(login.clone()),
        phone => phone,
    };
    let is_own_name = Some(&login) != email.as_ref() && Some(&login) != phone.as_ref();
    let is_unique = table.column("username").is_some_and(|column| column.is_unique);
    let username = match (is_own_name, is_unique) {
        (true, _) => vec![login.as_str()],
        (false, true) => vec!["username"],
        (false, false) => Vec::new(),
    };
    let username = chosen("username", &settings.username, &username)?;
    let joined =
        ["date_joined", "joined_at", "created_at", "created", "created_on", "registered_at"];
    let joined_at = chosen("joined_at", &settings.joined_at, &joined)?;
    let shown = ["display_name", "full_name", "name", "nickname"];
    let display_name = chosen("display_name", &settings.display_name, &shown)?;
    let has_both = table.has("first_name") && table.has("last_name");
    let display_name = match settings.display_name.is_none() && has_both {
        true => vec!["first_name".to_owned(), "last_name".to_owned()],
        false => display_name.into_iter().collect(),
    };
    let foreign_id = chosen("user_id_field", &settings.user_id_field, &[])?;
    let deleted = chosen("deleted", &settings.deleted, &["is_deleted", "deleted_at", "deleted"])?;
    let users = Users {
        foreign_id: foreign_id.filter(|column| *column != key),
        proved: proved(&table, tables, settings)?,
        phone_proved: table.first_of(&["phone_verified", "is_phone_verified"]),
        attributes: attributes(&table, settings)?,
        only: None,
        key,
        key_kind,
        login,
        email,
        phone,
        username,
        display_name,
        joined_at,
        deleted,
        table,
    };
    check_rights(&users)?;
    Ok(users)
}

/// The column of a setting, or the first of the usual ones that there is.
fn chosen(
    table: &Table,
    setting: &str,
    given: Option<&str>,
    usual: &[&str],
) -> Result<Option<String>, Problem> {
    match given {
        None => Ok(table.first_of(usual)),
        Some("") => Ok(None),
        Some(column) if table.has(column) => Ok(Some(column.to_owned())),
        Some(column) => Err(Problem::NoColumn {
            setting: setting.to_owned(),
            table: table.name.clone(),
            column: column.to_owned(),
        }),
    }
}

fn proved(
    table: &Table,
    tables: &BTreeMap<&'static str, Table>,
    settings: &Adopt,
) -> Result<Proved, Problem> {
    let usual = ["email_verified", "is_email_verified", "is_verified"];
    Ok(match settings.proved.as_deref() {
        Some("active") => Proved::Active,
        Some("never" | "") => Proved::Never,
        Some(column) => match chosen(table, "proved", Some(column), &[])? {
            Some(column) => Proved::Column(column),
            None => Proved::Never,
        },
        None if tables.contains_key(ADDRESSES) => Proved::Allauth,
        None => match table.first_of(&usual) {
            Some(column) => Proved::Column(column),
            None if settings.activation_mails => Proved::Active,
            None => Proved::Never,
        },
    })
}

fn attributes(table: &Table, settings: &Adopt) -> Result<Vec<(String, String)>, Problem> {
    let named = settings.attributes.iter().filter(|(_, column)| !column.is_empty());
    let checked = named.map(|(claim, column)| {
        let checked = chosen(table, &format!("attributes.{claim}"), Some(column), &[]);
        checked.map(|_| (claim.clone(), column.clone()))
    });
    checked.collect()
}

fn check_rights(users: &Users) -> Result<(), Problem> {
    let flags = ["password", "last_login", "is_active", "is_superuser"].map(str::to_owned);
    let column = match &users.proved {
        Proved::Column(column) => Some(column),
        Proved::Active | Proved::Never | Proved::Allauth => None,
    };
    let names = [
        &users.email,
        &users.phone,
        &users.username,
        &users.joined_at,
        &users.foreign_id,
        &users.phone_proved,
        &users.deleted,
    ];
    let names = names.into_iter().flatten().chain([&users.key, &users.login]).chain(column);
    let names = names.chain(&users.display_name).chain(&flags);
    let mut names = names.chain(users.attributes.iter().map(|(_, column)| column));
    names.try_for_each(|name| users.table.check_right(name))
}

/// The kind of a column; a text if there is none.
pub fn kind_of(table: &Table, column: &str) -> Kind {
    table.column(column).map_or(Kind::Text, |Column { kind, .. }| *kind)
}
