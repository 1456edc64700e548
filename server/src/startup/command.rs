//! Opens the domain and the database for the command line, without serving.

use std::sync::Arc;

use super::apis;
use super::error::StartError;
use super::parts::{auth_parts, database, load_keys, public_url};
use crate::auth::{Auth, Parts, Policy};
use crate::auth::{SecretError, ServerSecret};
use crate::clock::Clock;
use crate::config::{self, Config, ConfigError};
use crate::providers::Providers;
use crate::store;

/// Opens the domain. The command line signs and reads no tokens, so most commands need no secret;
/// with it, those that show an account can find its limits.
pub async fn open(config: &Config, clock: Clock) -> Result<Arc<Auth>, StartError> {
    Ok(Arc::new(Auth::open(parts_of(config, clock).await?).await?))
}

/// The same for a command that stores nothing.
pub async fn open_for_reading(config: &Config, clock: Clock) -> Result<Arc<Auth>, StartError> {
    Ok(Arc::new(Auth::open_for_reading(parts_of(config, clock).await?).await?))
}

async fn parts_of(config: &Config, clock: Clock) -> Result<Parts, StartError> {
    let store = database(config)?.open().await?;
    let public_url = public_url(config, config.listen);
    // No sign-in happens here, so an error in a provider's settings must not block the operator.
    let providers = Providers::default();
    let secret = config.tokens.secret.as_ref().map(config::Secret::expose);
    let found = ServerSecret::find(secret, &config.data_dir, &mut store.read().await?).await;
    let keys = match found {
        Ok(Some(keys)) => keys,
        Ok(None) | Err(_) => ServerSecret::unused()?,
    };
    auth_parts(config, clock, store, &keys, providers, &public_url, policies(config)?)
}

/// Opens the domain with the server's secret, under which signing keys are sealed. A secret that
/// does not match the stored keys is refused, because a running server could not read what is
/// written with it; with `replaces_all` it takes the place of the old one.
pub async fn open_with_secret(
    config: &Config,
    clock: Clock,
    replaces_all: bool,
) -> Result<Arc<Auth>, StartError> {
    config.check()?;
    let store = database(config)?.open().await?;
    let keys = match config.tokens.secret.as_ref().filter(|_| replaces_all) {
        Some(secret) => ServerSecret::of_operator(secret.expose()),
        None => load_keys(config, &store).await?,
    };
    let public_url = public_url(config, config.listen);
    let providers = Providers::default();
    let (own_store, policies) = (store.clone(), policies(config)?);
    let parts = auth_parts(config, clock, own_store, &keys, providers, &public_url, policies)?;
    let auth = Auth::open(parts).await?;
    match auth.sealed_signing_key().await? {
        _ if replaces_all => keys.replace(&store).await?,
        Some(kid) => return Err(SecretError::Sealed(kid).into()),
        None => keys.remember(&store).await?,
    }
    Ok(Arc::new(auth))
}

/// The policies of the APIs, without numbers.
fn policies(config: &Config) -> Result<Vec<Policy>, ConfigError> {
    Ok(apis::policies(&apis::apis(config)?))
}

/// Creates the database if there is none, and brings its schema up to date. Answers its
/// address without password.
pub async fn migrate(config: &Config) -> Result<String, StartError> {
    store::create_data_dir(&config.data_dir)?;
    let database = database(config)?;
    database.open_or_create().await?.close().await;
    Ok(database.to_string())
}
