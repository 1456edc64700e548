//! The keys of APIs that have one of their own: a text of the settings, or a private key in a file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::auth::{Hs256, ServerSecret, TokenKey, TokenKeyPair};
use crate::config::{Config, ConfigError};

/// Reads them, by the APIs' names.
pub fn own_keys(config: &Config) -> Result<BTreeMap<String, TokenKey>, ConfigError> {
    let mut keys = BTreeMap::new();
    let mut pairs: Vec<(String, Arc<TokenKeyPair>)> = Vec::new();
    for (name, api) in config.apis.iter().filter(|(_, api)| api.enabled) {
        if let Some(secret) = &api.signing_key {
            let key = Hs256::new(secret.expose().as_bytes());
            keys.insert(name.clone(), TokenKey::Secret(key));
        }
        if let Some(path) = &api.private_key_file {
            let setting = format!("apis.{name}.private_key_file");
            let pair = Arc::new(read_pair(&setting, path)?);
            if let Some((other, _)) = pairs.iter().find(|(_, other)| other.is_same_as(&pair)) {
                let problem = format!(
                    "has the key of {other} too: a key of its own is good at one API alone"
                );
                return Err(ConfigError::invalid(setting, problem));
            }
            pairs.push((setting, Arc::clone(&pair)));
            keys.insert(name.clone(), TokenKey::Pair(pair));
        }
    }
    Ok(keys)
}

/// Refuses the server's own secret, also a generated one, as the key of an API: it signs at all others.
pub fn refuse_secret_of_server(config: &Config, secret: &ServerSecret) -> Result<(), ConfigError> {
    for (name, api) in config.apis.iter().filter(|(_, api)| api.enabled) {
        if api.signing_key.as_ref().is_some_and(|key| secret.is(key.expose())) {
            let problem = "is the server's secret too: a key of its own is good at one API alone";
            return Err(ConfigError::invalid(format!("apis.{name}.signing_key"), problem));
        }
    }
    Ok(())
}

fn read_pair(setting: &str, path: &Path) -> Result<TokenKeyPair, ConfigError> {
    let unreadable =
        |error| ConfigError::File { key: setting.to_owned().into(), path: path.to_owned(), error };
    let pem = std::fs::read(path).map_err(unreadable)?;
    TokenKeyPair::read(&pem).ok_or_else(|| {
        let problem = "must have a private key in PEM, not encrypted: RSA of 2048 to 8192 bits, for \
                       RS256, or EC on P-256, for ES256";
        ConfigError::invalid(setting.to_owned(), problem)
    })
}
