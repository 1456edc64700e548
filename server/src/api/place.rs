//! Where an API is served, how it reads a request there, and what it answers. Its document says so,
//! or the settings.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::answers::Answers;
use crate::auth::{Account, AccountValue, Policy};

/// What an API does at one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name in the settings.
    pub name: &'static str,
    /// Its path in the document; empty if the document does not have it.
    pub path: &'static str,
    /// Whether it can make an account.
    pub makes_accounts: bool,
}

/// The place of one API.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The path of each operation that is served, by its name. It is served with and without a
    /// final slash; answers show it as it is here.
    pub paths: BTreeMap<&'static str, String>,
    /// The operations that a Django answers.
    pub at_django: BTreeSet<&'static str>,
    /// The words before a token in the `Authorization` header; the first is in challenges.
    pub header_words: Vec<String>,
    /// The field of the name in a sign-in.
    pub sign_in_field: &'static str,
    /// What the answer to a sign-in has beside the tokens, in this order.
    pub members: Vec<(String, Member)>,
    /// What depends on the versions of the libraries.
    pub answers: Answers,
}

/// A member of an answer.
#[derive(Clone, Debug)]
pub enum Member {
    Value(AccountValue),
    Object(Vec<(String, AccountValue)>),
}

impl Place {
    /// The path of an operation, if it is served.
    pub fn path(&self, operation: &str) -> Option<&str> {
        self.paths.get(operation).map(String::as_str)
    }

    /// The path of an operation, if this server answers it.
    pub fn own_path(&self, operation: &str) -> Option<&str> {
        self.path(operation).filter(|_| !self.at_django.contains(operation))
    }

    /// Whether a further member of the answer to a sign-in shows an attribute.
    pub fn shows_attributes(&self) -> bool {
        self.members.iter().any(|(_, member)| match member {
            Member::Value(value) => value.is_attribute(),
            Member::Object(values) => values.iter().any(|(_, value)| value.is_attribute()),
        })
    }

    /// The further members of the answer to a sign-in by this account.
    pub fn members_of(
        &self,
        policy: &Policy,
        account: &Account,
        attributes: &Map<String, Value>,
    ) -> Map<String, Value> {
        let content = |member: &Member| match member {
            Member::Value(value) => value.of(policy, account, attributes),
            Member::Object(values) => {
                let shown = |(name, value): &(String, AccountValue)| {
                    (name.clone(), value.of(policy, account, attributes))
                };
                Value::Object(values.iter().map(shown).collect())
            }
        };
        self.members.iter().map(|(name, member)| (name.clone(), content(member))).collect()
    }
}
