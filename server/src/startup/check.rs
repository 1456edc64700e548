//! Checks for `propusk check-config`: finds everything that a start would refuse, without writing
//! anything.

use super::accounts::{check_new_superuser, superuser_identifiers};
use super::apis;
use super::error::StartError;
use super::own_keys::{own_keys, refuse_secret_of_server};
use super::parts::{self, changed_issuer, database, hashing, provider_problem, public_url};
use crate::app_links::AppLinks;
use crate::auth::password::Hasher;
use crate::auth::{self, SecretError, ServerSecret};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::mail::Mailer;
use crate::providers::{self, Providers};
use crate::store::identifiers::claimant_by_key;
use crate::store::{Schema, StoreError, Tx};
use crate::webhook::Receiver;

/// Checks the settings and the folders that they name.
pub fn check(config: &Config) -> Result<(), StartError> {
    providers::check(&config.providers, &config.outbound).map_err(provider_problem)?;
    let public_url = public_url(config, config.listen);
    AppLinks::new(config, &public_url)?;
    Receiver::new(&config.webhooks, &config.outbound)?;
    Mailer::check(&config.mail, &config.product, &public_url)?;
    Hasher::check(&hashing(config))?;
    superuser_identifiers(&config.superuser)?;
    apis::apis(config)?;
    own_keys(config)?;
    Ok(database(config)?.check_place(&config.data_dir)?)
}

/// The database of the settings, by its address without password, and the state of its schema.
pub async fn look_at_database(config: &Config) -> Result<(String, Schema), StartError> {
    let database = database(config)?;
    Ok((database.to_string(), database.schema().await?))
}

/// Checks the settings against a database in this state. In an older schema only the secret can be
/// checked.
pub async fn check_against_database(config: &Config, schema: Schema) -> Result<(), StartError> {
    match schema {
        Schema::Absent => {
            let is_wanted = !superuser_identifiers(&config.superuser)?.is_empty();
            return if is_wanted {
                check_new_superuser(&config.superuser, &apis::policies(&apis::apis(config)?))
            } else {
                Ok(())
            };
        }
        Schema::Newer(version) => return Err(StoreError::NewerSchema(version).into()),
        Schema::Changed => {
            return Err(StoreError::ChangedSchema(database(config)?.to_string()).into());
        }
        Schema::Older | Schema::Current => {}
    }
    let mut tx = database(config)?.open_for_reading().await?;
    let checked = check_contents(config, schema, &mut tx).await;
    tx.close().await;
    checked
}

async fn check_contents(config: &Config, schema: Schema, tx: &mut Tx) -> Result<(), StartError> {
    let secret = config.tokens.secret.as_ref().map(config::Secret::expose);
    let keys = ServerSecret::find(secret, &config.data_dir, tx).await?;
    if let Some(keys) = &keys {
        refuse_secret_of_server(config, keys)?;
    }
    auth::check_number_file(&config.data_dir)?;
    if schema == Schema::Older {
        return Ok(());
    }
    let public_url = public_url(config, config.listen);
    if let Some(keys) = keys {
        let settings = parts::signing(config, &keys, &public_url);
        if let Some(kid) = auth::sealed_key(tx, settings, Clock::system().now()).await? {
            return Err(SecretError::Sealed(kid).into());
        }
    }
    let providers = Providers::new(&config.providers, &config.outbound, &public_url)
        .map_err(provider_problem)?;
    for provider in providers.all() {
        let Some(issuer) = provider.issuer() else { continue };
        if auth::has_changed_issuer(tx, provider.name(), issuer).await? {
            return Err(changed_issuer(provider.name()));
        }
    }
    let policies = apis::policies(&apis::apis(config)?);
    if let Some(no_number) = auth::find_unnumbered(tx, &policies).await? {
        return Err(no_number.into());
    }
    if let Some(first_id) = config.accounts.first_id
        && let Some(conflict) = auth::find_conflict(tx, first_id).await?
    {
        return Err(StartError::FirstId(conflict));
    }
    let identifiers = superuser_identifiers(&config.superuser)?;
    for identifier in &identifiers {
        if claimant_by_key(tx, identifier.key().to_owned()).await?.is_some() {
            return Ok(());
        }
    }
    match identifiers.is_empty() {
        true => Ok(()),
        false => check_new_superuser(&config.superuser, &policies),
    }
}
