//! Invariants for any bytes in place of the vault's file.

use super::VaultKey;
use super::sealed::{KeyLocation, Sealed, Unreadable, seal_with};

/// Any bytes are read or refused, and only a higher version number counts as newer. A record is
/// read back as it was written, unless the file is changed.
pub fn vault_file(bytes: &[u8]) {
    let key = VaultKey::from_bytes([7; 32]);
    let parsed = Sealed::parse(bytes);
    let says_newer =
        bytes.starts_with(b"PROPUSK") && bytes.get(7).is_some_and(|&version| version > 1);
    assert_eq!(parsed.as_ref().is_err_and(|error| *error == Unreadable::Newer), says_newer);
    if let Ok(sealed) = parsed {
        let record = sealed.open(&key, "memory");
        assert!(record.is_none_or(|record| record.len() < bytes.len()));
    }

    let mut file = seal_with([0; 12], &key, KeyLocation::Store, "memory", bytes)
        .expect("there is memory for it");
    assert_eq!(opened(&file, &key).as_deref(), Some(bytes));
    let changed = bytes.first().map_or(0, |&byte| usize::from(byte)) % file.len();
    file[changed] ^= 0x80;
    assert_eq!(opened(&file, &key), None);
}

fn opened(file: &[u8], key: &VaultKey) -> Option<Vec<u8>> {
    Sealed::parse(file).ok()?.open(key, "memory")
}
