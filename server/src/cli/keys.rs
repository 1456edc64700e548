//! `propusk key …`: the keys that sign the access tokens of `native`.

use std::sync::Arc;

use clap::Subcommand;
use propusk_server::algorithm::Algorithm;
use propusk_server::auth::Auth;
use propusk_server::auth::{KeyState, ListedKey, Revoking};
use propusk_server::config::Config;
use propusk_server::{Clock, open_with_secret};

use super::{DATABASE, Outcome, date, name_database, open, say, say_when_heard};

#[derive(Subcommand)]
pub enum KeyCommand {
    /// List all keys and what they do.
    List,
    /// Make a new key. It is published at once and signs after tokens.key_overlap_seconds; the older
    /// one checks until the last token is over that it has signed.
    Rotate {
        /// ES256 or EdDSA; else that of the settings.
        #[arg(long, value_parser = parse_algorithm)]
        algorithm: Option<Algorithm>,
        /// Sign with it now, and refuse all that the others have signed: for a stolen key.
        #[arg(long)]
        now: bool,
    },
    /// Remove a key, and refuse all that it has signed, now.
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
                say(&line_of(&key))?;
            }
            Ok(())
        }
        KeyCommand::Rotate { algorithm, now } => {
            let kid = with_secret(config, now).await?.rotate_signing_key(algorithm, now).await?;
            say_when_heard(&format!("made key {kid}")).await
        }
        KeyCommand::Revoke { kid } => {
            match with_secret(config, false).await?.revoke_signing_key(&kid).await? {
                Revoking::Unknown => Err("there is no key of this name".into()),
                Revoking::Revoked => say_when_heard("revoked").await,
                Revoking::Replaced(by) => say_when_heard(&format!("revoked; {by} signs now")).await,
            }
        }
    }
}

/// Private halves are sealed under the server's secret.
async fn with_secret(config: &Config, replaces_all: bool) -> Outcome<Arc<Auth>> {
    let auth = open_with_secret(config, Clock::system(), replaces_all).await?;
    DATABASE.get_or_init(|| auth.database());
    Ok(auth)
}

fn parse_algorithm(text: &str) -> Result<Algorithm, &'static str> {
    Algorithm::parse(text).ok_or("ES256 or EdDSA")
}

fn line_of(key: &ListedKey) -> String {
    let state = match key.state {
        KeyState::Next(from) => format!("signs from {}", date(from)),
        KeyState::Signs => "signs".to_owned(),
        KeyState::Checks(until) => format!("checks until {}", date(until)),
        KeyState::Over(since) => format!("over since {}", date(since)),
    };
    format!("{}  {:<5}  made {}  {state}", key.kid, key.algorithm, date(key.created_at))
}
