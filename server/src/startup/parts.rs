//! The parts of the server, as the settings ask for them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::error::StartError;
use super::own_keys::{own_keys, refuse_secret_of_server};
use crate::auth::ServerSecret;
use crate::auth::password::{HashSettings, Hasher};
use crate::auth::{Allowed, LimitRules};
use crate::auth::{Issuer, SigningSettings};
use crate::auth::{Links, Parts, Policy};
use crate::clock::Clock;
use crate::config::{self, Config, ConfigError, Secret};
use crate::dialects;
use crate::http::listen::Connections;
use crate::providers::{self, Providers};
use crate::redirect::Redirects;
use crate::store::{Database, Store, StoreError};

/// The settings in force if nothing is configured.
pub fn default_config() -> Config {
    Config { dialects: dialects::defaults(), providers: providers::defaults(), ..Config::default() }
}

pub fn auth_parts(
    config: &Config,
    clock: Clock,
    store: Store,
    keys: &ServerSecret,
    providers: Providers,
    public_url: &str,
    policies: Vec<Policy>,
) -> Result<Parts, StartError> {
    refuse_secret_of_server(config, keys)?;
    let shares_user_names = config.shares_user_names();
    let link_key = config.tokens.django_secret_key.as_ref().map(Secret::expose);
    Ok(Parts {
        store,
        clock,
        hasher: Hasher::start(hashing(config))?,
        signing_secret: keys.simple_jwt(),
        own_keys: own_keys(config)?,
        token_ids: keys.token_ids(),
        user_names: if shares_user_names { keys.simple_jwt() } else { keys.user_names() },
        shares_user_names,
        one_time: keys.one_time(),
        django_links: config.tokens.accept_foreign.then(|| keys.django_links(link_key)),
        flow_key: keys.flows(),
        refresh_key: keys.refresh(),
        digest_key: keys.limits(),
        signing: signing(config, keys, public_url),
        providers,
        redirects: Redirects::new(config.redirects.allowed.clone()),
        links: links(&config.links, public_url),
        language: config.mail.language,
        policies,
        limits: limits(config),
        accept_foreign: config.tokens.accept_foreign,
        keep_days: config.events.keep_days,
        has_receiver: config.webhooks.url.is_some(),
        has_secret: keys.is_of_server(),
    })
}

pub async fn load_keys(config: &Config, store: &Store) -> Result<ServerSecret, StartError> {
    let secret = config.tokens.secret.as_ref().map(config::Secret::expose);
    Ok(ServerSecret::load(secret, &config.data_dir, store).await?)
}

pub fn signing(config: &Config, keys: &ServerSecret, public_url: &str) -> SigningSettings {
    let config::Tokens { algorithm, audience, key_overlap_seconds: overlap, .. } =
        config.tokens.clone();
    let audience = audience.unwrap_or_else(|| public_url.to_owned());
    let issuer = Issuer { issuer: public_url.to_owned(), audience };
    SigningSettings { issuer, algorithm, overlap, sealing: keys.sealing() }
}

pub fn hashing(config: &Config) -> HashSettings {
    let config::Hashing { memory_kib, time, threads, queue } = config.password;
    let share = config.limits.hashes_per_address.unwrap_or(queue / 8).max(1);
    HashSettings { memory_kib, time, threads, queue, share }
}

fn links(links: &config::Links, public_url: &str) -> Links {
    let config::Links { activation, reset, email_reset } = links.clone();
    Links { public_url: public_url.to_owned(), activation, reset, email_reset }
}

fn limits(config: &Config) -> LimitRules {
    let config::Limits {
        enabled,
        per_address,
        per_account_and_address,
        per_account,
        registrations_per_address,
        mails_per_address,
        mails_per_recipient,
        sign_ins_per_address,
        hashes_per_address: _,
    } = config.limits;
    LimitRules {
        enabled,
        per_address: Allowed { attempts: per_address, window: 600 },
        per_account_and_address: Allowed { attempts: per_account_and_address, window: 600 },
        per_account: Allowed { attempts: per_account, window: 3600 },
        registrations_per_address: Allowed { attempts: registrations_per_address, window: 600 },
        mails_per_address: Allowed { attempts: mails_per_address, window: 600 },
        mails_per_recipient: Allowed { attempts: mails_per_recipient, window: 3600 },
        sign_ins_per_address: Allowed { attempts: sign_ins_per_address, window: 600 },
    }
}

pub fn database(config: &Config) -> Result<Database, StoreError> {
    Database::of(database_url(config), &config.data_dir)
}

pub fn database_url(config: &Config) -> Option<&str> {
    config.database_url.as_ref().map(config::Secret::expose)
}

pub fn public_url(config: &Config, address: SocketAddr) -> Arc<str> {
    match &config.public_url {
        Some(url) => url.trim_end_matches('/').into(),
        None => format!("http://{address}").into(),
    }
}

pub fn connections(http: &config::Http) -> Connections {
    Connections { max: http.max_connections, idle: Duration::from_secs(http.idle_seconds) }
}

pub fn changed_issuer(name: &str) -> StartError {
    let problem = format!(
        "issuer has changed: users of the new issuer could sign in to the accounts of the old one; \
         give the provider another name or, if its users are the same, run: propusk provider moved \
         {name}"
    );
    provider_problem((name.to_owned(), problem)).into()
}

pub fn provider_problem((name, problem): (String, String)) -> ConfigError {
    ConfigError::Provider { name, problem }
}
