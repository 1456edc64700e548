//! `propusk session …`: all sessions of all accounts.

use clap::Subcommand;

use super::Outcome;
use super::database::open;
use super::input::confirm;
use super::output::say_when_heard;
use crate::auth::COUNTED_SESSIONS;
use crate::config::Config;

#[derive(Subcommand)]
pub enum SessionCommand {
    /// End every session and refuse every token issued so far, of all APIs: after a break-in, or
    /// after a backup was restored.
    InvalidateAll {
        /// Do not ask for confirmation.
        #[arg(long)]
        yes: bool,
    },
}

pub async fn work(config: &Config, command: SessionCommand) -> Outcome {
    match command {
        SessionCommand::InvalidateAll { yes } => invalidate_all(config, yes).await,
    }
}

async fn invalidate_all(config: &Config, yes: bool) -> Outcome {
    confirm(yes, "End all sessions of all accounts? [y/N] ")?;
    let ended = open(config).await?.end_everything().await?;
    say_when_heard(&sessions_ended(ended)).await
}

/// Counting stops at a maximum, so that the answer may be a lower bound.
pub fn sessions_ended(count: i64) -> String {
    match count {
        1 => "1 session ended".to_owned(),
        COUNTED_SESSIONS => format!("{count} sessions or more ended"),
        count => format!("{count} sessions ended"),
    }
}
