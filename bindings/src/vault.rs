//! Where credentials are stored.

use std::sync::Arc;
use std::time::Duration;

use propusk::VaultKey;

use crate::error::{PropuskError, Result};
use crate::secure_storage::{AppKeyStore, SecureStorage};

/// Stores the session: one sealed file, with its key in a key store. One vault belongs to one
/// server.
#[derive(uniffi::Object)]
pub struct Vault(pub(crate) propusk::Vault);

#[uniffi::export]
impl Vault {
    /// A vault in memory; it ends with the process.
    #[uniffi::constructor]
    pub fn memory() -> Arc<Self> {
        Arc::new(Vault(propusk::Vault::memory()))
    }

    /// The file `<service>.vault` in this folder, with its key in the system's key store under the
    /// same name, such as `org.example.app`. `allow_key_file` allows a key file next to the vault
    /// if the system has no key store.
    ///
    /// It fails with `Usage` in a build for phones: use `secure_storage` there.
    #[uniffi::constructor(default(allow_key_file = false))]
    pub fn keyring(service: String, folder: String, allow_key_file: bool) -> Result<Arc<Self>> {
        let vault = system_vault(&service, &folder)?;
        Ok(Arc::new(Vault(if allow_key_file { vault.allow_key_file() } else { vault })))
    }

    /// A file whose 32 random bytes of key the app provides: for servers and tests.
    #[uniffi::constructor]
    pub fn file(path: String, key: Vec<u8>) -> Result<Arc<Self>> {
        Ok(Arc::new(Vault(propusk::Vault::file(path, key_of(key)?))))
    }

    /// A file whose key is in a store that the app provides. `timeout` limits how long to wait for
    /// the store; 10 s if it is absent.
    #[uniffi::constructor(default(timeout = None))]
    pub fn secure_storage(
        path: String,
        storage: Arc<dyn SecureStorage>,
        timeout: Option<Duration>,
    ) -> Arc<Self> {
        let vault = propusk::Vault::with_key_store(path, Arc::new(AppKeyStore(storage)));
        Arc::new(Vault(match timeout {
            Some(timeout) => vault.key_store_timeout(timeout),
            None => vault,
        }))
    }
}

/// 32 random bytes, for `Vault.file`.
#[uniffi::export]
pub fn generate_vault_key() -> Result<Vec<u8>> {
    match VaultKey::generate() {
        Ok(key) => Ok(key.expose().to_vec()),
        Err(error) => Err(PropuskError::usage(error)),
    }
}

#[cfg(all(feature = "desktop", not(target_os = "android")))]
fn system_vault(service: &str, folder: &str) -> Result<propusk::Vault> {
    Ok(propusk::Vault::keyring(service, folder))
}

#[cfg(not(all(feature = "desktop", not(target_os = "android"))))]
fn system_vault(_: &str, _: &str) -> Result<propusk::Vault> {
    Err(PropuskError::usage("this build has no key store of the system; use secure_storage"))
}

fn key_of(bytes: Vec<u8>) -> Result<VaultKey> {
    let key = <[u8; 32]>::try_from(bytes);
    Ok(VaultKey::from_bytes(key.map_err(|_| PropuskError::usage("a vault's key has 32 bytes"))?))
}
