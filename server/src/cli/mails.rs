//! `propusk mail …`: mails that have not been sent.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Outcome;
use super::database::open;
use super::output::{date, done, is_json, name_database, plain, say, say_json};
use crate::auth::QueuedMail;
use crate::config::Config;

#[derive(Subcommand)]
pub enum MailCommand {
    /// List the mails that wait or have failed, without their content.
    List,
    /// Send failed mails again.
    Retry,
}

pub async fn work(config: &Config, command: MailCommand) -> Outcome {
    let auth = open(config).await?;
    match command {
        MailCommand::List => {
            name_database();
            for mail in auth.queued_mails().await? {
                match is_json() {
                    true => say_json(&to_json(&mail))?,
                    false => say(&line_of(&mail))?,
                }
            }
            Ok(())
        }
        MailCommand::Retry => {
            let revived = auth.revive_dead_mails().await?;
            done(&format!("mails queued again: {revived}"))
        }
    }
}

pub fn line_of(mail: &QueuedMail) -> String {
    let state = if mail.dead_at.is_some() { "failed" } else { "waiting" };
    format!(
        "{state:<8}  {}  {:<24}  {}  attempts: {}  {}",
        date(mail.created_at),
        mail.message,
        plain(&mail.recipient),
        mail.attempts,
        plain(mail.problem.as_deref().unwrap_or_default()),
    )
    .trim_end()
    .to_owned()
}

pub fn to_json(mail: &QueuedMail) -> Value {
    json!({
        "state": if mail.dead_at.is_some() { "failed" } else { "waiting" },
        "kind": mail.message,
        "account_id": mail.account_id,
        "recipient": mail.recipient,
        "created_at": mail.created_at,
        "due_at": mail.due_at,
        "attempts": mail.attempts,
        "problem": mail.problem,
    })
}
