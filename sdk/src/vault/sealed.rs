//! The format of the sealed file. Its key decides who can read it; its tag shows whether it is
//! intact.
//!
//! `PROPUSK`, the version of the format (1 byte), the location of the key (1 byte), a random nonce
//! (12 bytes), the record encrypted with ChaCha20-Poly1305 (RFC 8439), and its tag (16 bytes). The
//! bytes before the nonce and the vault's name are authenticated too, so the file of another vault
//! does not open.

use std::error::Error as StdError;
use std::{fmt, io};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::rand::{SecureRandom, SystemRandom};

use super::VaultKey;

/// The largest record, in bytes.
pub(super) const MAX_RECORD: usize = 1024 * 1024;

/// The largest file, in bytes.
pub(super) const MAX_SEALED: usize = MAGIC.len() + 2 + NONCE_LEN + MAX_RECORD + TAG;

const MAGIC: &[u8] = b"PROPUSK";
const VERSION: u8 = 1;
const TAG: usize = 16;

/// Where the key of a file is kept. The file says it, so that a missing key is distinguished from
/// an unavailable one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyLocation {
    /// The key store.
    Store = 0,
    /// A key file next to the vault.
    File = 1,
}

/// A parsed file; only its key can show whether it is intact.
#[derive(Debug)]
pub(crate) struct Sealed<'a> {
    pub(super) key_location: KeyLocation,
    nonce: [u8; NONCE_LEN],
    ciphertext: &'a [u8],
}

/// Why a file cannot be parsed.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Unreadable {
    /// Its version is higher than ours.
    Newer,
    /// It is cut off or has another format.
    Damaged,
}

impl<'a> Sealed<'a> {
    /// Parses a file.
    pub(crate) fn parse(file: &'a [u8]) -> Result<Self, Unreadable> {
        let rest = file.strip_prefix(MAGIC).ok_or(Unreadable::Damaged)?;
        let (version, rest) = rest.split_first().ok_or(Unreadable::Damaged)?;
        match *version {
            VERSION => {}
            0 => return Err(Unreadable::Damaged),
            _ => return Err(Unreadable::Newer),
        }
        let (key_location, rest) = rest.split_first().ok_or(Unreadable::Damaged)?;
        let key_location = match *key_location {
            0 => KeyLocation::Store,
            1 => KeyLocation::File,
            _ => return Err(Unreadable::Damaged),
        };
        let (nonce, ciphertext) =
            rest.split_first_chunk::<NONCE_LEN>().ok_or(Unreadable::Damaged)?;
        if ciphertext.len() < TAG || file.len() > MAX_SEALED {
            return Err(Unreadable::Damaged);
        }
        Ok(Sealed { key_location, nonce: *nonce, ciphertext })
    }

    /// The record, if this key has sealed it for the vault with this name and it is unchanged.
    pub(crate) fn open(&self, key: &VaultKey, name: &str) -> Option<Vec<u8>> {
        let mut record = self.ciphertext.to_vec();
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let authenticated = authenticated(self.key_location, name);
        let length = cipher(key).ok()?.open_in_place(nonce, authenticated, &mut record).ok()?.len();
        record.truncate(length);
        Some(record)
    }
}

/// Seals a record for the vault with this name.
pub(crate) fn seal(
    key: &VaultKey,
    key_location: KeyLocation,
    name: &str,
    record: &[u8],
) -> io::Result<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new()
        .fill(&mut nonce)
        .and_then(|()| seal_with(nonce, key, key_location, name, record))
        .map_err(|_| io::Error::other("the record cannot be sealed"))
}

/// As [`seal`], with a nonce that must never have been used with this key.
pub(crate) fn seal_with(
    nonce: [u8; NONCE_LEN],
    key: &VaultKey,
    key_location: KeyLocation,
    name: &str,
    record: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let mut ciphertext = Vec::with_capacity(record.len() + TAG);
    ciphertext.extend_from_slice(record);
    cipher(key)?.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        authenticated(key_location, name),
        &mut ciphertext,
    )?;
    Ok([MAGIC, &[VERSION, key_location as u8], &nonce, &ciphertext].concat())
}

fn cipher(key: &VaultKey) -> Result<LessSafeKey, Unspecified> {
    Ok(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key.expose())?))
}

fn authenticated(key_location: KeyLocation, name: &str) -> Aad<Vec<u8>> {
    Aad::from([MAGIC, &[VERSION, key_location as u8], name.as_bytes()].concat())
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unreadable::Newer => "a newer version has written the file",
            Unreadable::Damaged => "the file is damaged",
        })
    }
}

impl StdError for Unreadable {}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> VaultKey {
        VaultKey::from_bytes([7; 32])
    }

    #[test]
    fn sealed_bytes_differ_for_the_same_record() {
        let once = seal(&key(), KeyLocation::Store, "a", b"record").unwrap();
        let again = seal(&key(), KeyLocation::Store, "a", b"record").unwrap();
        assert_ne!(once, again);
        assert!(!once.windows(6).any(|window| window == b"record"));
    }

    #[test]
    fn sealed_file_of_another_vault_does_not_open() {
        let file = seal(&key(), KeyLocation::Store, "a", b"record").unwrap();
        let sealed = Sealed::parse(&file).unwrap();
        assert_eq!(sealed.open(&key(), "a").as_deref(), Some(&b"record"[..]));
        assert_eq!(sealed.open(&key(), "b"), None);
    }
}
