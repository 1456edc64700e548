//! How a Django keeps its users, as `export.py` describes it in the first line: the way back writes
//! to this table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The table of the user model, with the names of its columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DjangoUsers {
    /// Django's name of the database's kind, such as `postgresql`.
    pub engine: String,
    pub table: String,
    /// The primary key.
    pub id: String,
    #[serde(default)]
    pub id_form: IdForm,
    /// The column of `USERNAME_FIELD`, which may be one of the next three.
    pub login: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub username: Option<String>,
    pub password: String,
    /// One column, or that of the first name and that of the last name.
    #[serde(default)]
    pub display_name: Vec<String>,
    pub is_active: Option<String>,
    pub last_login: Option<String>,
    /// What tokens call the account, if that is not the primary key.
    pub foreign_id: Option<String>,
    /// Columns that have the time at which a row was made.
    #[serde(default)]
    pub times: Vec<String>,
    /// Columns with a uuid in each row; the primary key is not among them.
    #[serde(default)]
    pub uuids: Vec<String>,
    /// What a new row has in other columns.
    #[serde(default)]
    pub others: BTreeMap<String, Value>,
    /// Columns that need a value for which there is no default.
    #[serde(default)]
    pub unfilled: Vec<String>,
    /// Columns in which no two rows have the same value.
    #[serde(default)]
    pub unique: Vec<String>,
    /// Columns that may be null.
    #[serde(default)]
    pub nullable: Vec<String>,
    /// How many characters a column takes, where that has an end.
    #[serde(default)]
    pub lengths: BTreeMap<String, usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdForm {
    #[default]
    Number,
    Uuid,
    Text,
}

impl DjangoUsers {
    /// Django's own user model in a database of this kind.
    pub fn of_django(engine: &str) -> DjangoUsers {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let named = |name: &str| Some(name.to_owned());
        let no = |name: &str| (name.to_owned(), Value::Bool(false));
        DjangoUsers {
            engine: engine.to_owned(),
            table: "auth_user".to_owned(),
            id: "id".to_owned(),
            id_form: IdForm::Number,
            login: "username".to_owned(),
            email: named("email"),
            phone: None,
            username: named("username"),
            password: "password".to_owned(),
            display_name: names(&["first_name", "last_name"]),
            is_active: named("is_active"),
            last_login: named("last_login"),
            foreign_id: None,
            times: names(&["date_joined"]),
            uuids: Vec::new(),
            others: BTreeMap::from(["is_staff", "is_superuser"].map(no)),
            unfilled: Vec::new(),
            unique: names(&["username"]),
            nullable: names(&["last_login"]),
            lengths: [("username", 150), ("email", 254), ("first_name", 150), ("last_name", 150)]
                .map(|(name, most)| (name.to_owned(), most))
                .into(),
        }
    }

    /// Whether a new account needs a foreign id to get a row.
    pub fn needs_foreign_ids(&self) -> bool {
        let is_uuid = |column: &String| self.uuids.contains(column);
        self.id_form != IdForm::Number || self.foreign_id.as_ref().is_some_and(is_uuid)
    }

    /// Whether an account without a username signs in there by an address in the same column.
    pub fn signs_in_by_any_name(&self) -> bool {
        let login = Some(&self.login);
        login != self.email.as_ref() && login != self.phone.as_ref()
    }

    pub fn is_unique(&self, column: &str) -> bool {
        column == self.login || self.unique.iter().any(|name| name == column)
    }

    pub fn is_nullable(&self, column: &str) -> bool {
        self.nullable.iter().any(|name| name == column)
    }

    /// As much of the text as the column takes.
    pub fn shortened<'t>(&self, column: &str, text: &'t str) -> &'t str {
        let most = self.lengths.get(column).copied().unwrap_or(usize::MAX);
        let end = text.char_indices().nth(most).map_or(text.len(), |(end, _)| end);
        text.get(..end).unwrap_or(text)
    }

    /// Whether the column takes the text as a whole.
    pub fn takes(&self, column: &str, text: &str) -> bool {
        self.shortened(column, text) == text
    }
}
