//! `propusk user create`: new accounts, and accounts imported from a replaced server.

use clap::Args;

use crate::auth::{Auth, Import, Registration};
use crate::cli::Outcome;
use crate::cli::input::{PasswordInput, moment};
use crate::cli::output::done;
use crate::config::{Config, MAX_FIRST_ID};
use crate::identifier::{Identifier, Kind};
use crate::startup::begin_numbers;

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

pub async fn create(
    config: &Config,
    auth: &Auth,
    who: String,
    password: PasswordInput,
    is_superuser: bool,
    import: ImportInput,
    despite_django: bool,
) -> Outcome {
    if import.id.is_none() {
        refuse_at_django(config, auth, despite_django)?;
    }
    let registration = registration(&who, password, is_superuser)?;
    match import.id {
        Some(number) => {
            let import = Import { number, joined_at: import.joined, name: who };
            create_imported(config, auth, registration, import).await
        }
        None => create_new(config, auth, registration).await,
    }
}

/// Refuses a new account while a Django makes the accounts, unless the operator insists and its
/// number cannot be one of the Django's.
fn refuse_at_django(config: &Config, auth: &Auth, despite_django: bool) -> Outcome {
    let Some(api) = auth.registering_at_django() else { return Ok(()) };
    let problem = match (despite_django, config.accounts.first_id) {
        (true, Some(_)) => return Ok(()),
        (true, None) => {
            "--despite-django needs accounts.first_id, a number above all of the Django's"
                .to_owned()
        }
        (false, _) => format!(
            "a Django makes the accounts (apis.{api}.routes): create this one there, or give it a \
             number above all of the Django's, from accounts.first_id, with --despite-django"
        ),
    };
    Err(problem.into())
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

async fn create_new(config: &Config, auth: &Auth, registration: Registration) -> Outcome {
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
