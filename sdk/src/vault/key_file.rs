//! The key in a file next to the vault, for systems without a key store. Any program that can read
//! one can read the other.

use std::io;
use std::path::PathBuf;

use super::folder::Folder;
use super::storage::{FileStorage, read_if_any, remove_if_any, replace};
use super::{KeyStore, KeyStoreError, VaultKey};

pub(super) struct KeyFile {
    path: PathBuf,
    new: PathBuf,
    folder: Folder,
}

impl KeyFile {
    pub(super) fn next_to(storage: &FileStorage) -> Self {
        KeyFile {
            path: storage.sibling(".key"),
            new: storage.sibling(".key.new"),
            folder: storage.folder.clone(),
        }
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        remove_if_any(&self.new)?;
        remove_if_any(&self.path)
    }
}

impl KeyStore for KeyFile {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        let text = self.folder.in_folder(|| read_if_any(&self.path)).map_err(fails)?;
        if text.is_none() {
            // The key is lost only if its folder is there without it.
            self.folder.check().map_err(fails)?;
        }
        Ok(text.and_then(|text| VaultKey::from_text(&text)))
    }

    fn save(&self, key: &VaultKey) -> Result<(), KeyStoreError> {
        // The system's store may have taken long to answer, and the folder may be gone.
        self.folder
            .in_folder(|| replace(&self.path, &self.new, key.to_text().as_bytes()))
            .map_err(fails)
    }
}

fn fails(error: io::Error) -> KeyStoreError {
    KeyStoreError::Other(error.to_string())
}
