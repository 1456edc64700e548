//! The key beside the file, where the system has no store for keys: whoever reads the one reads the
//! other.

use std::io;
use std::path::PathBuf;

use super::storage::{FileStorage, read_if_any, remove_if_any, replace};
use super::{KeyStore, KeyStoreError, VaultKey};

pub(super) struct KeyFile {
    path: PathBuf,
    new: PathBuf,
}

impl KeyFile {
    pub(super) fn beside(storage: &FileStorage) -> Self {
        KeyFile { path: storage.beside(".key"), new: storage.beside(".key.new") }
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        remove_if_any(&self.path)
    }
}

impl KeyStore for KeyFile {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        let text = read_if_any(&self.path).map_err(fails)?;
        Ok(text.and_then(|text| VaultKey::from_text(&text)))
    }

    fn save(&self, key: &VaultKey) -> Result<(), KeyStoreError> {
        replace(&self.path, &self.new, key.to_text().as_bytes()).map_err(fails)
    }
}

fn fails(error: io::Error) -> KeyStoreError {
    KeyStoreError::Other(error.to_string())
}
