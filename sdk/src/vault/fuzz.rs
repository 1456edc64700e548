//! What must hold whatever lies in place of the vault's file.

use std::sync::Arc;
use std::time::Duration;

use super::contents::Contents;
use super::key::FixedKey;
use super::keys::Keys;
use super::memory::MemoryStorage;
use super::{Storage, VaultKey, VaultState};

/// Any bytes are read, or refused and kept if they may be a newer version's; what is written over
/// others is read again.
pub fn vault_file(bytes: &[u8]) {
    let storage = Arc::new(MemoryStorage::default());
    storage.write(bytes).expect("memory takes everything");
    let key = Arc::new(FixedKey(VaultKey::from_bytes([7; 32])));
    let keys = Keys::new(key, Duration::from_secs(10), None, false);
    let contents = Contents::new(storage.clone(), keys);

    let found = contents.read().map_err(|error| error.state());
    assert!(matches!(found, Ok(Some(_)) | Err(VaultState::Foreign | VaultState::Newer)));
    let written = contents.write(bytes, &());
    let left = storage.read().expect("memory gives everything");
    if found == Err(VaultState::Newer) {
        assert!(written.is_err() && left.as_deref() == Some(bytes));
    } else {
        assert!(written.is_ok() && left.as_deref() != Some(bytes));
        assert_eq!(contents.read().ok().flatten().as_deref(), Some(bytes));
    }
}
