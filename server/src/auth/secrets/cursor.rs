//! Cursors of an account's lists: the number of a row, hidden and bound to the account. Rows of all
//! accounts share their numbers, so bare ones would show what happens to other accounts.

use subtle::ConstantTimeEq;

use crate::auth::secrets::digest::{Digest, DigestKey};
use crate::auth::secrets::random::hex;

/// A tag in 32 hex digits, and the hidden number in 16.
const TAG_DIGITS: usize = 32;
const DIGITS: usize = 48;

/// The cursor of a row in a list of this account; always the same one.
pub fn seal_cursor(key: &DigestKey, account_id: i64, row: i64) -> String {
    let tag = key.digest("cursor", &[account_id.to_be_bytes(), row.to_be_bytes()].concat());
    let hidden = row.cast_unsigned() ^ mask(key, tag);
    format!("{}{hidden:016x}", hex(&tag))
}

/// The row of a cursor that [`seal_cursor`] made for this account; `None` for any other text.
pub fn open_cursor(key: &DigestKey, account_id: i64, cursor: &str) -> Option<i64> {
    let is_hex = cursor.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if cursor.len() != DIGITS || !is_hex {
        return None;
    }
    let tag = u128::from_str_radix(&cursor[..TAG_DIGITS], 16).ok()?.to_be_bytes();
    let hidden = u64::from_str_radix(&cursor[TAG_DIGITS..], 16).ok()?;
    let row = (hidden ^ mask(key, tag)).cast_signed();
    let is_ours = seal_cursor(key, account_id, row).as_bytes().ct_eq(cursor.as_bytes());
    bool::from(is_ours).then_some(row)
}

/// Each cursor has its own, because its tag depends on the account and the row.
fn mask(key: &DigestKey, tag: Digest) -> u64 {
    let mask = key.digest("cursor mask", &tag);
    mask.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> DigestKey {
        DigestKey::new([1; 32])
    }

    #[test]
    fn cursor_is_opened_for_its_account_only() {
        for row in [0, 1, 1_000, i64::MAX] {
            let cursor = seal_cursor(&key(), 7, row);
            assert_eq!(open_cursor(&key(), 7, &cursor), Some(row));
            assert_eq!(open_cursor(&key(), 8, &cursor), None);
            assert_eq!(open_cursor(&DigestKey::new([2; 32]), 7, &cursor), None);
        }
    }

    #[test]
    fn cursor_that_is_changed_or_made_up_is_refused() {
        let cursor = seal_cursor(&key(), 7, 1_000);
        for place in 0..DIGITS {
            let mut other = cursor.clone().into_bytes();
            other[place] = if other[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(open_cursor(&key(), 7, &String::from_utf8_lossy(&other)), None);
        }
        for other in ["", "1000", "é", &*cursor.to_uppercase(), &cursor[1..]] {
            assert_eq!(open_cursor(&key(), 7, other), None, "{other}");
        }
    }

    /// Numbers that follow each other must not be seen in their cursors.
    #[test]
    fn cursors_of_neighbours_share_neither_half() {
        let [first, second] = [1, 2].map(|row| seal_cursor(&key(), 7, row));
        assert_ne!(first[..TAG_DIGITS], second[..TAG_DIGITS]);
        let hidden = |cursor: &str| u64::from_str_radix(&cursor[TAG_DIGITS..], 16).expect("hex");
        assert_ne!(hidden(&first) ^ hidden(&second), 1 ^ 2);
    }
}
