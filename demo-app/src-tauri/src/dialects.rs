//! The APIs to choose from.

use propusk::Dialect;
use serde::Serialize;

use crate::error::{DemoError, Result};

/// An API to choose.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    pub name: &'static str,
    title: &'static str,
    /// The identifiers with which its users sign in.
    signs_in_by: &'static [&'static str],
}

const CHOICES: [(Dialect, Choice); 6] = [
    choice(Dialect::Native, "native", "Propusk", &["email", "phone", "username"]),
    choice(Dialect::DjoserToken, "djoser_token", "djoser with API tokens", &["email"]),
    choice(Dialect::DjoserJwt, "djoser_jwt", "djoser with SimpleJWT", &["email", "phone"]),
    choice(Dialect::Simplejwt, "simplejwt", "SimpleJWT", &["username"]),
    choice(Dialect::SimplejwtRotating, "simplejwt_rotating", "SimpleJWT with rotation", &["email"]),
    choice(Dialect::Prehashed, "prehashed", "JWT and hashed passwords", &["email", "phone"]),
];

const fn choice(
    dialect: Dialect,
    name: &'static str,
    title: &'static str,
    signs_in_by: &'static [&'static str],
) -> (Dialect, Choice) {
    (dialect, Choice { name, title, signs_in_by })
}

pub fn choices() -> Vec<Choice> {
    CHOICES.into_iter().map(|(_, choice)| choice).collect()
}

pub fn named(name: &str) -> Result<Dialect> {
    let found = CHOICES.into_iter().find(|(_, choice)| choice.name == name);
    let unknown = || DemoError::new(format!("there is no dialect {name}"));
    found.map(|(dialect, _)| dialect).ok_or_else(unknown)
}

/// The name in files and commands.
pub fn name_of(dialect: Dialect) -> &'static str {
    let found = CHOICES.into_iter().find(|(known, _)| *known == dialect);
    found.map_or("native", |(_, choice)| choice.name)
}
