//! `propusk key …`: the keys that sign the access tokens of `native`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Outcome;
use super::database::{open, open_with_keys};
use super::output::{date, is_json, name_database, say, say_json, say_when_heard};
use crate::algorithm::Algorithm;
use crate::auth::{KeyRevocation, KeyState, ListedKey};
use crate::config::Config;

#[derive(Subcommand)]
pub enum KeyCommand {
    /// List all keys with their states.
    List,
    /// Create a key. It is published at once and signs after tokens.key_overlap_seconds; the old
    /// key verifies until the last token that it signed has expired.
    Rotate {
        /// ES256 or EdDSA instead of the algorithm of the settings.
        #[arg(long, value_parser = parse_algorithm)]
        algorithm: Option<Algorithm>,
        /// Sign with it now, and refuse all tokens of the other keys: for a stolen key.
        #[arg(long)]
        now: bool,
    },
    /// Remove a key, and refuse all tokens that it signed.
    Revoke {
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

pub async fn work(config: &Config, command: KeyCommand) -> Outcome {
    match command {
        KeyCommand::List => {
            let auth = open(config).await?;
            name_database();
            for key in auth.signing_keys().await? {
                match is_json() {
                    true => say_json(&to_json(&key))?,
                    false => say(&line_of(&key))?,
                }
            }
            Ok(())
        }
        KeyCommand::Rotate { algorithm, now } => {
            let kid = open_with_keys(config, now).await?.rotate_signing_key(algorithm, now).await?;
            say_when_heard(&format!("created key {kid}")).await
        }
        KeyCommand::Revoke { kid } => {
            match open_with_keys(config, false).await?.revoke_signing_key(&kid).await? {
                KeyRevocation::Unknown => Err("there is no such key".into()),
                KeyRevocation::Revoked => say_when_heard("revoked").await,
                KeyRevocation::Replaced(by) => {
                    say_when_heard(&format!("revoked; {by} signs now")).await
                }
            }
        }
    }
}

fn parse_algorithm(text: &str) -> Result<Algorithm, &'static str> {
    Algorithm::parse(text).ok_or("ES256 or EdDSA")
}

fn line_of(key: &ListedKey) -> String {
    let state = match key.state {
        KeyState::Next(from) => format!("signs from {}", date(from)),
        KeyState::Signs => "signs".to_owned(),
        KeyState::Checks(until) => format!("verifies until {}", date(until)),
        KeyState::Ended(since) => format!("retired since {}", date(since)),
    };
    format!("{}  {:<5}  created {}  {state}", key.kid, key.algorithm, date(key.created_at))
}

fn to_json(key: &ListedKey) -> Value {
    let (state, at) = match key.state {
        KeyState::Next(from) => ("next", Some(from)),
        KeyState::Signs => ("signs", None),
        KeyState::Checks(until) => ("verifies", Some(until)),
        KeyState::Ended(since) => ("retired", Some(since)),
    };
    json!({
        "kid": key.kid,
        "algorithm": key.algorithm,
        "created_at": key.created_at,
        "state": state,
        "state_at": at,
    })
}
