//! The demo's vault, and the same vault while its key store is locked.

use std::path::PathBuf;
use std::sync::Arc;

use propusk::Vault;
use serde::{Deserialize, Serialize};

/// Where a vault is: a folder, and the name of its file and of its key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct VaultPlace {
    pub folder: PathBuf,
    pub service: String,
}

impl VaultPlace {
    pub fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.vault", self.service))
    }

    pub fn open(&self, is_locked: bool) -> Vault {
        match is_locked {
            true => self.locked(),
            false => self.in_key_store(),
        }
    }

    /// With its key in the system's store; without a store, in a file next to it.
    #[cfg(not(target_os = "android"))]
    fn in_key_store(&self) -> Vault {
        Vault::keyring(&self.service, &self.folder).allow_key_file()
    }

    /// An app for Android passes its own `KeyStore` over the Keystore; the demo has none, and keeps
    /// the key in a file of its private folder.
    #[cfg(target_os = "android")]
    fn in_key_store(&self) -> Vault {
        Vault::with_key_store(self.path(), Arc::new(no_store::NoStore)).allow_key_file()
    }

    /// The same file, with a key store that refuses, as before the user has unlocked the device. A
    /// key in a file cannot be locked; then the whole disk is.
    fn locked(&self) -> Vault {
        match self.path().with_extension("vault.key").exists() {
            true => Vault::with_storage(Arc::new(locked::Disk), Arc::new(locked::Store)),
            false => Vault::with_key_store(self.path(), Arc::new(locked::Store)),
        }
    }
}

mod locked {
    use std::io;

    use propusk::{KeyStore, KeyStoreError, Storage, VaultKey};

    const WHY: &str = "the demo has locked it";

    /// A key store that is locked.
    pub struct Store;

    impl KeyStore for Store {
        fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
            Err(KeyStoreError::Locked(WHY.to_owned()))
        }

        fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
            Err(KeyStoreError::Locked(WHY.to_owned()))
        }
    }

    /// An encrypted disk that is not open.
    pub struct Disk;

    fn away<T>() -> io::Result<T> {
        Err(io::Error::new(io::ErrorKind::NotConnected, WHY))
    }

    impl Storage for Disk {
        fn name(&self) -> &str {
            "locked"
        }

        fn read(&self) -> io::Result<Option<Vec<u8>>> {
            away()
        }

        fn write(&self, _: &[u8]) -> io::Result<()> {
            away()
        }

        fn set_aside(&self) -> io::Result<()> {
            away()
        }

        fn remove(&self) -> io::Result<()> {
            away()
        }

        fn lock(&self) -> io::Result<Box<dyn Send>> {
            away()
        }
    }
}

#[cfg(target_os = "android")]
mod no_store {
    use propusk::{KeyStore, KeyStoreError, VaultKey};

    /// A device without a key store.
    pub struct NoStore;

    fn none() -> KeyStoreError {
        KeyStoreError::NoStore("the demo does not use the Keystore".to_owned())
    }

    impl KeyStore for NoStore {
        fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
            Err(none())
        }

        fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
            Err(none())
        }
    }
}
