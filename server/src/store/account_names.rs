//! The names of an account in a row with its other columns. They are two JSON texts, each of one
//! subquery, so that the plan is the same for every mix of kinds of names, and does not depend on the
//! number of accounts. A subquery for each name took half of the time that Postgres needs for a
//! refresh.

use serde::Deserialize;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

/// The columns, for SQLite or Postgres.
macro_rules! name_columns {
    (sqlite) => {
        $crate::store::account_names::name_columns!("json_group_array", "json_array")
    };
    (postgres) => {
        $crate::store::account_names::name_columns!("json_agg", "json_build_array")
    };
    ($list:literal, $row:literal) => {
        concat!(
            "(select cast(",
            $list,
            "(",
            $row,
            "(i.kind, i.shown, i.verified_at, i.owned_at, i.left_at, i.created_at)) as text)
              from identifiers i
              where i.account_id = accounts.id and (i.left_at is null or i.verified_at is not null))
                 as names,
             (select cast(",
            $row,
            "(t.address, t.expires_at) as text)
              from one_time_tokens t
              where t.account_id = accounts.id and t.purpose = 'email_confirm'
                and t.spent_at is null) as pending_names"
        )
    };
}
pub(super) use name_columns;

/// What [`name_columns`] say; the fields are those of an account.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub email: Option<String>,
    pub email_verified_at: Option<i64>,
    pub email_owned_at: Option<i64>,
    pub former_email: Option<String>,
    pub pending_email: Option<String>,
    pub pending_email_until: Option<i64>,
    pub phone: Option<String>,
    pub username: Option<String>,
}

/// A row of `identifiers` as the JSON text has it.
#[derive(Deserialize)]
struct Name {
    kind: String,
    shown: String,
    verified_at: Option<i64>,
    owned_at: Option<i64>,
    left_at: Option<i64>,
    created_at: i64,
}

impl Names {
    fn read(names: Option<&str>, pending: Option<&str>) -> serde_json::Result<Self> {
        let all: Vec<Name> = names.map_or(Ok(Vec::new()), serde_json::from_str)?;
        let pending: Option<(String, i64)> = pending.map(serde_json::from_str).transpose()?;
        let (pending_email, pending_email_until) = pending.unzip();
        let mut names = Names { pending_email, pending_email_until, ..Names::default() };
        let mut former_since = None;
        for Name { kind, shown, verified_at, owned_at, left_at, created_at } in all {
            if left_at.is_some() {
                // The last one that was verified.
                if verified_at.is_some() && former_since < Some((left_at, created_at)) {
                    former_since = Some((left_at, created_at));
                    names.former_email = Some(shown);
                }
                continue;
            }
            match kind.as_str() {
                "email" => {
                    (names.email_verified_at, names.email_owned_at) = (verified_at, owned_at);
                    names.email = Some(shown);
                }
                "phone" => names.phone = Some(shown),
                "username" => names.username = Some(shown),
                _ => {}
            }
        }
        Ok(names)
    }
}

impl<'r, R: Row> FromRow<'r, R> for Names
where
    &'static str: ColumnIndex<R>,
    Option<&'r str>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        Names::read(row.try_get("names")?, row.try_get("pending_names")?)
            .map_err(|error| sqlx::Error::Decode(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_in_use_and_the_last_verified_address_that_was_left() {
        let names = r#"[
            ["email", "new@example.com", 5, 6, null, 4],
            ["phone", "+380501234567", null, null, null, 1],
            ["username", "anna \"a\"", null, null, null, 1],
            ["email", "older@example.com", 1, null, 2, 7],
            ["email", "old@example.com", 1, null, 3, 2],
            ["email", "older@example.net", 1, null, 3, 1],
            ["email", "unproved@example.com", null, null, 9, 9]
        ]"#;
        let expected = Names {
            email: Some("new@example.com".to_owned()),
            email_verified_at: Some(5),
            email_owned_at: Some(6),
            former_email: Some("old@example.com".to_owned()),
            pending_email: Some("next@example.com".to_owned()),
            pending_email_until: Some(9),
            phone: Some("+380501234567".to_owned()),
            username: Some("anna \"a\"".to_owned()),
        };
        let read = Names::read(Some(names), Some(r#"["next@example.com", 9]"#));
        assert_eq!(read.expect("names"), expected);
    }

    #[test]
    fn account_without_names_has_none() {
        for names in [None, Some("[]")] {
            assert_eq!(Names::read(names, None).expect("none"), Names::default());
        }
    }

    #[test]
    fn other_text_is_an_error() {
        assert!(Names::read(Some("{}"), None).is_err());
        assert!(Names::read(None, Some("[1]")).is_err());
    }
}
