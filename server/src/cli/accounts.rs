//! `propusk user …`: an operator's work on accounts, which also reaches a running server.

use clap::{Args, Subcommand};
use propusk_server::auth::{Account, Auth, Import, Registration};
use propusk_server::begin_numbers;
use propusk_server::config::{Config, MAX_FIRST_ID};
use propusk_server::identifier::{Identifier, Kind, Phone};

use super::Outcome;
use super::database::open;
use super::input::{PasswordInput, confirm, moment};
use super::output::{date, done, name_database, say, say_when_heard};
use super::sessions::sessions_ended;

#[derive(Subcommand)]
pub enum UserCommand {
    /// Create an account.
    Create {
        who: String,
        #[command(flatten)]
        password: PasswordInput,
        /// APIs show the account as a superuser; it gets no rights from that.
        #[arg(long)]
        superuser: bool,
        #[command(flatten)]
        import: ImportInput,
    },
    /// List all accounts.
    List,
    /// Show one account.
    Show { who: String },
    /// Refuse all credentials of an account until it is enabled again.
    Disable { who: String },
    /// Enable a disabled account, or activate a new one.
    Enable { who: String },
    /// Set a new password and end all sessions of the account.
    SetPassword {
        who: String,
        #[command(flatten)]
        password: PasswordInput,
    },
    /// End all sessions of an account.
    SignOut { who: String },
    /// Remove a phone number from the account that has it.
    ReleasePhone { phone: String },
    /// Delete an account permanently.
    Delete {
        who: String,
        /// Do not ask for confirmation.
        #[arg(long)]
        yes: bool,
    },
}

/// What another system knew of an imported account.
#[derive(Args)]
pub struct ImportInput {
    /// Import the account with the number that it had there.
    #[arg(long, value_name = "N")]
    id: Option<i64>,
    /// When it was created there, as in 2021-03-04T05:06:07Z (UTC if no offset is given); tokens
    /// from before this time are refused.
    #[arg(long, value_name = "TIME", requires = "id", value_parser = moment)]
    joined: Option<i64>,
}

pub async fn work(config: &Config, command: UserCommand) -> Outcome {
    let auth = open(config).await?;
    match command {
        UserCommand::Create { who, password, superuser, import } => {
            let registration = registration(&who, password, superuser)?;
            match import.id {
                Some(number) => {
                    let import = Import { number, joined_at: import.joined, name: who };
                    create_imported(config, &auth, registration, import).await
                }
                None => create(config, &auth, registration).await,
            }
        }
        UserCommand::List => list(&auth).await,
        UserCommand::Show { who } => {
            name_database();
            let account = find(&auth, &who).await?;
            show(&account)?;
            show_identities(&auth, account.id).await
        }
        UserCommand::Disable { who } => {
            auth.set_active(find(&auth, &who).await?.id, false).await?;
            say_when_heard("disabled").await
        }
        UserCommand::Enable { who } => {
            auth.set_active(find(&auth, &who).await?.id, true).await?;
            say_when_heard("enabled").await
        }
        UserCommand::SetPassword { who, password } => {
            let account = find(&auth, &who).await?;
            auth.set_password(account.id, password.read()?).await?;
            say_when_heard("the password is set and all sessions are ended").await
        }
        UserCommand::SignOut { who } => {
            let ended = auth.end_all_sessions_of_account(find(&auth, &who).await?.id).await?;
            say_when_heard(&sessions_ended(ended)).await
        }
        UserCommand::ReleasePhone { phone } => release_phone(&auth, &phone).await,
        UserCommand::Delete { who, yes } => delete(&auth, &who, yes).await,
    }
}

fn registration(who: &str, password: PasswordInput, is_superuser: bool) -> Outcome<Registration> {
    let identifier = Identifier::parse_as(who, &[Kind::Email, Kind::Phone, Kind::Username])
        .ok_or("not an e-mail address, a phone number or a username")?;
    Ok(Registration {
        sign_up_name: Some(identifier.shown().to_owned()),
        identifiers: vec![identifier],
        password: password.read()?,
        display_name: None,
        is_superuser,
        language: None,
        awaits_activation: false,
    })
}

async fn create(config: &Config, auth: &Auth, registration: Registration) -> Outcome {
    begin_numbers(auth, config).await?;
    let account = auth.register(registration, None).await?;
    done(&format!("created account {}", account.id))
}

async fn create_imported(
    config: &Config,
    auth: &Auth,
    registration: Registration,
    import: Import,
) -> Outcome {
    let number = import.number;
    let end = config.accounts.first_id.unwrap_or(MAX_FIRST_ID);
    if !(1..end).contains(&number) {
        return Err(format!("--id: must be from 1 to {}", end - 1).into());
    }
    match auth.import_account(registration, import).await? {
        Some(account) => done(&format!("created account {}", account.id)),
        None => {
            Err(format!("--id: the number {number} belongs or belonged to another account").into())
        }
    }
}

async fn list(auth: &Auth) -> Outcome {
    const PAGE: i64 = 500;
    name_database();
    let mut after = 0;
    loop {
        let page = auth.accounts_after(after, PAGE).await?;
        let Some(last) = page.last() else {
            if after == 0 {
                // On standard error: scripts count the lines of standard output.
                eprintln!("no accounts");
            }
            return Ok(());
        };
        after = last.id;
        for account in &page {
            let names = identifiers(account).join("  ");
            say(&format!("{:>8}  {:<8}  {names}", account.id, state(account)))?;
        }
    }
}

fn show(account: &Account) -> Outcome {
    say(&format!("id            {}", account.id))?;
    say(&format!("state         {}", state(account)))?;
    say(&format!("superuser     {}", account.is_superuser))?;
    if account.imported {
        let joined = account.joined_at.map_or_else(|| "unknown".to_owned(), date);
        say(&format!("imported      with this number; created there: {joined}"))?;
    }
    for (kind, value) in [
        ("username", &account.username),
        ("e-mail", &account.email),
        ("phone", &account.phone),
        ("display name", &account.display_name),
    ] {
        if let Some(value) = value {
            say(&format!("{kind:<12}  {}", value.escape_debug()))?;
        }
    }
    say(&format!("created       {}", date(account.created_at)))?;
    let last = account.last_sign_in_at.map_or_else(|| "never".to_owned(), date);
    say(&format!("last sign-in  {last}"))
}

async fn show_identities(auth: &Auth, id: i64) -> Outcome {
    for identity in auth.identities(id).await? {
        let email = identity.email.as_deref().unwrap_or("no e-mail");
        let proof = if identity.email_verified { " (verified)" } else { "" };
        let (provider, subject) = (identity.provider, identity.subject.escape_debug());
        say(&format!("signs in by   {provider} {subject}, {}{proof}", email.escape_debug()))?;
    }
    Ok(())
}

fn state(account: &Account) -> &'static str {
    match (account.is_active, account.awaits_activation) {
        (true, _) => "active",
        // Its owner has not opened the mailed link yet.
        (false, true) => "new",
        (false, false) => "disabled",
    }
}

async fn release_phone(auth: &Auth, phone: &str) -> Outcome {
    let phone = Phone::parse(phone).ok_or("not a phone number such as +491701234567")?;
    match auth.release_phone(phone).await? {
        true => done("released"),
        false => Err("no account has this phone number".into()),
    }
}

async fn delete(auth: &Auth, who: &str, yes: bool) -> Outcome {
    let account = find(auth, who).await?;
    let names = identifiers(&account).join(", ");
    confirm(yes, &format!("Delete account {} ({names}) permanently? [y/N] ", account.id))?;
    auth.delete_account(account.id).await?;
    say_when_heard("deleted").await
}

/// The account that WHO names. A username may equal the id of another account; the operator must
/// then say which one to use.
async fn find(auth: &Auth, who: &str) -> Outcome<Account> {
    let by_id = match who.strip_prefix("id:").unwrap_or(who).parse() {
        Ok(id) => auth.account_by_id(id).await?,
        Err(_) => None,
    };
    let by_name = if who.starts_with("id:") { None } else { auth.find_account(who).await? };
    match (by_name, by_id) {
        (Some(named), Some(numbered)) if named.id != numbered.id => Err(format!(
            "{who} is the username of account {} and the id of another account: use id:{} or id:{who}",
            named.id, named.id
        )
        .into()),
        (Some(account), _) | (None, Some(account)) => Ok(account),
        (None, None) => Err("there is no such account".into()),
    }
}

/// Its identifiers, or the name that the APIs show if it has none.
fn identifiers(account: &Account) -> Vec<String> {
    let names = [&account.username, &account.email, &account.phone].into_iter().flatten();
    let names: Vec<_> = names.map(|name| name.escape_debug().to_string()).collect();
    if names.is_empty() { vec![account.display_username()] } else { names }
}
