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

/// Whether the stored record can be read and written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, uniffi::Enum)]
pub enum VaultState {
    /// It can be read and written.
    Ready,
    /// It can be read and written, but the system has no key store: the key is in a file next to
    /// the vault.
    KeyInFile,
    /// It cannot be read now, but it is not lost: the key store or the disk is not available.
    Locked,
    /// The system has no key store, and the app has not allowed a key file.
    NoKeyStore,
    /// It is lost: it was sealed with another key, or it is damaged.
    Unreadable,
    /// A newer version of the SDK has written it. It is not changed.
    NewerVersion,
    /// It can be read but not written: the disk is full or read-only.
    ReadOnly,
    /// It can be read and written, but the file system has no locks.
    WithoutLocks,
    /// An older record was restored, for example from a backup. It is not used.
    RolledBack,
    /// Another server has issued the session. It is neither sent nor ended.
    OtherServer,
}

impl From<propusk::VaultState> for VaultState {
    fn from(state: propusk::VaultState) -> Self {
        match state {
            propusk::VaultState::Ready => VaultState::Ready,
            propusk::VaultState::KeyInFile => VaultState::KeyInFile,
            propusk::VaultState::NoKeyStore => VaultState::NoKeyStore,
            propusk::VaultState::Unreadable => VaultState::Unreadable,
            propusk::VaultState::NewerVersion => VaultState::NewerVersion,
            propusk::VaultState::ReadOnly => VaultState::ReadOnly,
            propusk::VaultState::WithoutLocks => VaultState::WithoutLocks,
            propusk::VaultState::RolledBack => VaultState::RolledBack,
            propusk::VaultState::OtherServer => VaultState::OtherServer,
            // Also a state that this crate does not know yet: nothing is lost.
            _ => VaultState::Locked,
        }
    }
}
