//! Accounts from the settings: the number of the first one, and the superuser.

use super::error::StartError;
use crate::auth::password::Password;
use crate::auth::{Auth, NewPassword, Policy, Registration};
use crate::config::{Config, Superuser};
use crate::error::Error;
use crate::identifier::{Email, Identifier, Phone, Username};

const SUPERUSER_AT_DJANGO: &str = "does not exist, and is not created while a Django makes the accounts \
                                   (apis.<name>.routes); see propusk user create --despite-django";

/// Makes the numbers of new accounts begin as configured.
pub async fn begin_numbers(auth: &Auth, config: &Config) -> Result<(), StartError> {
    let Some(first_id) = config.accounts.first_id else { return Ok(()) };
    match auth.begin_numbers_at(first_id).await? {
        Some(conflict) => Err(StartError::FirstId(conflict)),
        None => Ok(()),
    }
}

/// Creates the configured superuser, unless an account has one of its identifiers already.
pub async fn create_superuser(auth: &Auth, superuser: &Superuser) -> Result<(), StartError> {
    let identifiers = superuser_identifiers(superuser)?;
    for identifier in &identifiers {
        if auth.is_taken(identifier, None).await? {
            tracing::info!("an account holds the superuser's {}", identifier.kind().as_str());
            return Ok(());
        }
    }
    let Some(first) = identifiers.first() else { return Ok(()) };
    let sign_up_name = Some(first.shown().to_owned());
    if auth.registering_at_django().is_some() {
        return Err(StartError::Superuser(SUPERUSER_AT_DJANGO));
    }
    let password = superuser_password(superuser)?;
    let registration = Registration {
        identifiers,
        password: NewPassword::Plain(password),
        display_name: None,
        sign_up_name,
        is_superuser: true,
        language: None,
        awaits_activation: false,
    };
    match auth.register(registration, None).await {
        // Another server on the same database was first.
        Ok(_) | Err(Error::Taken(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether a start could create the superuser.
pub fn check_new_superuser(superuser: &Superuser, policies: &[Policy]) -> Result<(), StartError> {
    match policies.iter().any(|policy| policy.registers_at_django) {
        true => Err(StartError::Superuser(SUPERUSER_AT_DJANGO)),
        false => superuser_password(superuser).map(drop),
    }
}

fn superuser_password(superuser: &Superuser) -> Result<Password, StartError> {
    let password =
        superuser.password.as_ref().ok_or(StartError::Superuser("a password is missing"))?;
    Password::parse(password.expose())
        .map_err(|_| StartError::Superuser("the password is longer than 1024 bytes"))
}

pub fn superuser_identifiers(superuser: &Superuser) -> Result<Vec<Identifier>, StartError> {
    let mut identifiers = Vec::new();
    if let Some(username) = &superuser.username {
        let username = Username::parse(username).ok_or(StartError::Superuser("not a username"))?;
        identifiers.push(Identifier::Username(username));
    }
    if let Some(email) = &superuser.email {
        let email = Email::parse(email).ok_or(StartError::Superuser("not an e-mail address"))?;
        identifiers.push(Identifier::Email(email));
    }
    if let Some(phone) = &superuser.phone {
        let phone = Phone::parse(phone).ok_or(StartError::Superuser("not a phone number"))?;
        identifiers.push(Identifier::Phone(phone));
    }
    Ok(identifiers)
}
