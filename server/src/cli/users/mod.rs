//! `propusk user …`: an operator's work on accounts, which also reaches a running server.

mod change;
mod create;
mod list;
mod sessions;
mod show;

use std::path::PathBuf;

use clap::Subcommand;

use self::create::ImportInput;
use self::list::ListFilter;
use super::database::{open, open_with_keys};
use super::events::EventPage;
use super::input::{PasswordInput, read_attributes};
use super::output::{date, name_database, plain};
use super::{Outcome, events};
use crate::auth::{Account, Auth, Deletion};
use crate::config::Config;

#[derive(Subcommand)]
pub enum UserCommand {
    /// Create an account.
    Create {
        /// An e-mail address, phone number or username.
        who: String,
        #[command(flatten)]
        password: PasswordInput,
        /// APIs show the account as a superuser; it gets no rights from that.
        #[arg(long)]
        superuser: bool,
        #[command(flatten)]
        import: ImportInput,
        /// Create it although a Django makes the accounts (routes of an API).
        #[arg(long)]
        despite_django: bool,
    },
    /// List accounts, in the order of their numbers.
    List(ListFilter),
    /// Show everything about one account: its names, ways to sign in, sessions, limits, mails and
    /// last events.
    Show {
        /// An e-mail address, phone number, username or id (7 or id:7).
        who: String,
    },
    /// List what has happened to an account, the newest first.
    Events {
        /// An e-mail address, phone number, username or id (7 or id:7).
        who: String,
        #[command(flatten)]
        page: EventPage,
    },
    /// List the live sessions of an account, the last used first.
    Sessions {
        /// An e-mail address, phone number, username or id (7 or id:7).
        who: String,
    },
    /// End one session of an account.
    EndSession {
        /// An e-mail address, phone number, username or id (7 or id:7).
        who: String,
        /// The id that `user sessions` lists.
        session: String,
    },
    /// Refuse all credentials of an account until it is enabled again.
    Disable {
        /// An e-mail address, phone number, username or id (7 or id:7).
        who: String,
    },
    /// Enable a disabled account, or activate a new one.
    Enable {
        /// An e-mail address, phone number, username or id (7 or id:7).
        who: String,
    },
    /// Delete the stored limits of an account, so that it has all attempts and mails again.
    Unlock {
        /// An e-mail address, phone number, username or id (7 or id:7).
        who: String,
    },
    /// Mail the owner a link that sets a new password.
    MailReset {
        /// An e-mail address, phone number, username or id (7 or id:7).
        who: String,
        /// The API whose page the link opens.
        #[arg(long, value_name = "NAME", default_value = "native")]
        api: String,
    },
    /// Set a new password and end all sessions of the account.
    SetPassword {
        /// An e-mail address, phone number, username or id (7 or id:7).
        who: String,
        #[command(flatten)]
        password: PasswordInput,
    },
    /// Replace the attributes of an account, which claims of tokens can show.
    SetAttributes {
        /// An e-mail address, phone number, username or id (7 or id:7).
        who: String,
        /// Read the JSON object from this file; - is standard input.
        #[arg(long, value_name = "FILE", default_value = "-")]
        file: PathBuf,
    },
    /// Set the id that an account had in a replaced system, if that is no number. It cannot be changed.
    SetForeignId {
        /// An e-mail address, phone number, username or id (7 or id:7).
        who: String,
        /// A uuid or another text.
        #[arg(value_name = "FOREIGN_ID")]
        foreign_id: String,
    },
    /// End all sessions of an account.
    SignOut {
        /// An e-mail address, phone number, username or id (7 or id:7).
        who: String,
    },
    /// Remove a phone number from the account that has it.
    ReleasePhone { phone: String },
    /// Delete an account permanently.
    Delete {
        /// An e-mail address, phone number, username or id (7 or id:7).
        who: String,
        /// Do not ask for confirmation.
        #[arg(long)]
        yes: bool,
    },
}

pub async fn work(config: &Config, command: UserCommand) -> Outcome {
    // The keys of limits and links depend on the server's secret.
    let auth = match command {
        UserCommand::Unlock { .. } | UserCommand::MailReset { .. } => {
            open_with_keys(config, false).await?
        }
        _ => open(config).await?,
    };
    match command {
        UserCommand::Create { who, password, superuser, import, despite_django } => {
            create::create(config, &auth, who, password, superuser, import, despite_django).await
        }
        UserCommand::List(filter) => list::list(&auth, &filter).await,
        UserCommand::Show { who } => {
            name_database();
            let account = find(&auth, &who).await?;
            show::show(&auth, account).await
        }
        UserCommand::Events { who, page } => {
            name_database();
            let account = find(&auth, &who).await?;
            events::list_of_account(&auth, account.id, &page).await
        }
        UserCommand::Sessions { who } => {
            name_database();
            let account = find(&auth, &who).await?;
            sessions::list(&auth, account.id).await
        }
        UserCommand::EndSession { who, session } => {
            sessions::end(&auth, find(&auth, &who).await?.id, &session).await
        }
        UserCommand::Disable { who } => {
            change::set_active(&auth, find(&auth, &who).await?.id, false).await
        }
        UserCommand::Enable { who } => {
            change::set_active(&auth, find(&auth, &who).await?.id, true).await
        }
        UserCommand::Unlock { who } => change::unlock(&auth, find(&auth, &who).await?.id).await,
        UserCommand::MailReset { who, api } => {
            change::mail_reset(&auth, find(&auth, &who).await?.id, &api).await
        }
        UserCommand::SetPassword { who, password } => {
            let account = find(&auth, &who).await?;
            change::set_password(&auth, account.id, password).await
        }
        UserCommand::SetAttributes { who, file } => {
            let account = find(&auth, &who).await?;
            change::set_attributes(&auth, account.id, read_attributes(&file)?).await
        }
        UserCommand::SetForeignId { who, foreign_id } => {
            let account = find(&auth, &who).await?;
            change::set_foreign_id(&auth, account.id, foreign_id).await
        }
        UserCommand::SignOut { who } => change::sign_out(&auth, find(&auth, &who).await?.id).await,
        UserCommand::ReleasePhone { phone } => change::release_phone(&auth, &phone).await,
        UserCommand::Delete { who, yes } => {
            change::delete(&auth, &find(&auth, &who).await?, yes).await
        }
    }
}

/// The account that WHO names. A username may equal the id of another account; the operator must
/// then say which one to use.
async fn find(auth: &Auth, who: &str) -> Outcome<Account> {
    let number = who.strip_prefix("id:").unwrap_or(who).parse().ok();
    let by_id = match number {
        Some(id) => auth.account_by_id(id).await?,
        None => None,
    };
    let by_name = if who.starts_with("id:") { None } else { auth.find_account(who).await? };
    match (by_name, by_id) {
        (Some(named), Some(numbered)) if named.id != numbered.id => Err(format!(
            "{who} is the username of account {} and the id of another account: use id:{} or id:{who}",
            named.id, named.id
        )
        .into()),
        (Some(account), _) | (None, Some(account)) => Ok(account),
        (None, None) => Err(absent(auth, number).await?.into()),
    }
}

/// Why there is no such account. After a deletion only the number of the account is left.
async fn absent(auth: &Auth, number: Option<i64>) -> Outcome<String> {
    let Some(id) = number else { return Ok("there is no such account".to_owned()) };
    Ok(match auth.deletion_of(id).await? {
        Some(Deletion { event: Some(event) }) => {
            let by = event.operator.map(|name| format!(" by {}", plain(&name)));
            format!("account {id} was deleted on {}{}", date(event.at), by.unwrap_or_default())
        }
        Some(Deletion { event: None }) => format!("account {id} was deleted"),
        None => "there is no such account".to_owned(),
    })
}

fn state(account: &Account) -> &'static str {
    match (account.is_active, account.awaits_activation) {
        (true, _) => "active",
        // Its owner has not opened the mailed link yet.
        (false, true) => "new",
        (false, false) => "disabled",
    }
}

/// Its identifiers, or the name that the APIs show if it has none.
fn identifiers(account: &Account) -> Vec<String> {
    let names = [&account.username, &account.email, &account.phone].into_iter().flatten();
    let names: Vec<_> = names.map(|name| plain(name)).collect();
    if names.is_empty() { vec![plain(&account.display_username())] } else { names }
}
