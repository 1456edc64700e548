//! The operating system's key store, with the crates of the keyring project. It is opened for each
//! call, because a kept connection would not survive a restart of the store.

use std::collections::HashMap;
use std::sync::Arc;

use keyring_core::{CredentialStore, Entry, Error};

use super::{KeyStore, KeyStoreError, VaultKey};

/// The account name of the key in the store; slots append their names.
const ACCOUNT: &str = "propusk-vault-key";

pub(super) struct OsStore {
    service: String,
    account: String,
}

impl OsStore {
    pub(super) fn new(service: &str) -> Self {
        OsStore { service: service.to_owned(), account: ACCOUNT.to_owned() }
    }

    pub(super) fn for_slot(service: &str, name: &str) -> Self {
        OsStore { service: service.to_owned(), account: format!("{ACCOUNT}.{name}") }
    }

    fn entry(&self) -> Result<Entry, KeyStoreError> {
        let store = system::open().map_err(system::explain)?;
        let modifiers = HashMap::from_iter(system::MODIFIERS.iter().copied());
        Entry::new_in_store_with_modifiers(&store, &self.service, &self.account, &modifiers)
            .map_err(system::explain)
    }
}

impl KeyStore for OsStore {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        match self.entry()?.get_secret() {
            Ok(text) => Ok(VaultKey::from_text(&text)),
            Err(Error::NoEntry) => system::is_certain().map(|()| None),
            Err(error) => Err(system::explain(error)),
        }
    }

    fn save(&self, key: &VaultKey) -> Result<(), KeyStoreError> {
        self.entry()?.set_secret(key.to_text().as_bytes()).map_err(system::explain)
    }

    fn remove(&self) -> Result<(), KeyStoreError> {
        match self.entry()?.delete_credential() {
            Ok(()) => Ok(()),
            Err(Error::NoEntry) => system::is_certain(),
            Err(error) => Err(system::explain(error)),
        }
    }
}

/// A file name for any service name.
pub(super) fn file_name(service: &str) -> String {
    let mut name = String::new();
    for byte in service.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => {
                name.push(char::from(byte));
            }
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name + ".vault"
}

#[cfg(target_os = "linux")]
mod system {
    use std::io::ErrorKind;

    use secret_service::EncryptionType;
    use secret_service::blocking::SecretService;

    use super::{Arc, CredentialStore, Error, KeyStoreError};

    pub(super) const MODIFIERS: &[(&str, &str)] = &[];

    pub(super) fn open() -> keyring_core::Result<Arc<CredentialStore>> {
        Ok(zbus_secret_service_keyring_store::Store::new()?)
    }

    /// A service that is locked or still opens its database may answer that it has no such key.
    /// That is certain only if the default collection is unlocked.
    pub(super) fn is_certain() -> Result<(), KeyStoreError> {
        let service =
            SecretService::connect(EncryptionType::Plain).map_err(|error| cause(&error))?;
        let collection = service.get_default_collection().map_err(|error| cause(&error))?;
        match collection.is_locked() {
            Ok(false) => Ok(()),
            Ok(true) => Err(KeyStoreError::Locked("the default collection is locked".to_owned())),
            Err(error) => Err(cause(&error)),
        }
    }

    pub(super) fn explain(error: Error) -> KeyStoreError {
        match &error {
            Error::PlatformFailure(source) | Error::NoStorageAccess(source) => {
                match source.downcast_ref::<secret_service::Error>() {
                    Some(source) => cause(source),
                    None => KeyStoreError::Other(error.to_string()),
                }
            }
            _ => KeyStoreError::Other(error.to_string()),
        }
    }

    /// There is no store without a bus, without a service on it, or without a default collection;
    /// any other error may be temporary.
    fn cause(error: &secret_service::Error) -> KeyStoreError {
        use secret_service::Error as Cause;
        let text = error.to_string();
        match error {
            Cause::Unavailable | Cause::NoResult => KeyStoreError::NoStore(text),
            Cause::Zbus(zbus::Error::Connection(error, _)) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => KeyStoreError::NoStore(text),
                _ => KeyStoreError::Locked(text),
            },
            Cause::Zbus(zbus::Error::Address(_)) => KeyStoreError::NoStore(text),
            Cause::Zbus(zbus::Error::MethodError(name, ..)) => match name.as_str() {
                "org.freedesktop.DBus.Error.ServiceUnknown"
                | "org.freedesktop.DBus.Error.NameHasNoOwner"
                | "org.freedesktop.DBus.Error.Spawn.ServiceNotFound" => {
                    KeyStoreError::NoStore(text)
                }
                _ => KeyStoreError::Locked(text),
            },
            _ => KeyStoreError::Locked(text),
        }
    }
}

#[cfg(any(target_os = "macos", target_os = "ios"))]
mod system {
    use super::{Arc, CredentialStore, Error, KeyStoreError};

    /// Before the first unlock the device cannot read the key; a backup contains it for this device
    /// only.
    #[cfg(target_os = "ios")]
    pub(super) const MODIFIERS: &[(&str, &str)] =
        &[("access-policy", "after-first-unlock-this-device-only")];
    #[cfg(target_os = "macos")]
    pub(super) const MODIFIERS: &[(&str, &str)] = &[];

    #[cfg(target_os = "ios")]
    pub(super) fn open() -> keyring_core::Result<Arc<CredentialStore>> {
        Ok(apple_native_keyring_store::protected::Store::new()?)
    }

    #[cfg(target_os = "macos")]
    pub(super) fn open() -> keyring_core::Result<Arc<CredentialStore>> {
        Ok(apple_native_keyring_store::keychain::Store::new()?)
    }

    /// A locked keychain reports that it is locked, so a missing key is certain.
    pub(super) fn is_certain() -> Result<(), KeyStoreError> {
        Ok(())
    }

    /// These systems always have a keychain, so an error may be temporary.
    pub(super) fn explain(error: Error) -> KeyStoreError {
        KeyStoreError::Locked(error.to_string())
    }
}

#[cfg(windows)]
mod system {
    use super::{Arc, CredentialStore, Error, KeyStoreError};

    /// The file does not roam to the user's other machines, so the key does not either.
    pub(super) const MODIFIERS: &[(&str, &str)] = &[("persistence", "Local")];

    pub(super) fn open() -> keyring_core::Result<Arc<CredentialStore>> {
        Ok(windows_native_keyring_store::Store::new()?)
    }

    /// The signed-in user can read everything that is stored, so a missing key is certain.
    pub(super) fn is_certain() -> Result<(), KeyStoreError> {
        Ok(())
    }

    /// A network logon has no credential store.
    pub(super) fn explain(error: Error) -> KeyStoreError {
        match error {
            Error::NoStorageAccess(source) => KeyStoreError::NoStore(source.to_string()),
            error => KeyStoreError::Locked(error.to_string()),
        }
    }
}
