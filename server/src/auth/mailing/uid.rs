//! The `uid` in a mailed link: the account's id, encoded and decoded as Django does it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::prelude::BASE64_STANDARD_NO_PAD;

/// An account's id in base64url.
pub fn uid_of(account_id: i64) -> String {
    URL_SAFE_NO_PAD.encode(account_id.to_string())
}

/// The id in a uid, decoded as leniently as Django does: `urlsafe_base64_decode`, then Python's
/// `int`.
pub fn account_of(uid: &str) -> Option<i64> {
    let bytes = BASE64_STANDARD_NO_PAD.decode(letters(uid)?).ok()?;
    integer(std::str::from_utf8(&bytes).ok()?)
}

/// The base64 letters of a uid after Django has added padding. As in Python, other characters are
/// skipped, reading ends at complete padding, and incomplete padding is an error.
fn letters(uid: &str) -> Option<Vec<u8>> {
    let padded = uid.bytes().chain(std::iter::repeat_n(b'=', uid.len() % 4));
    let (mut letters, mut pads) = (Vec::new(), 0);
    for byte in padded {
        match byte {
            b'=' if letters.len() % 4 >= 2 => pads += 1,
            b'-' => letters.push(b'+'),
            b'_' => letters.push(b'/'),
            b'+' | b'/' => letters.push(byte),
            _ if byte.is_ascii_alphanumeric() => letters.push(byte),
            _ => continue,
        }
        if byte != b'=' {
            pads = 0;
        } else if letters.len() % 4 + pads >= 4 {
            clear_trailing_bits(&mut letters);
            return Some(letters);
        }
    }
    letters.len().is_multiple_of(4).then_some(letters)
}

/// Python ignores the bits of the last letter that belong to no byte; our decoder refuses them.
fn clear_trailing_bits(letters: &mut [u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mask = match letters.len() % 4 {
        2 => 0b11_0000,
        3 => 0b11_1100,
        _ => return,
    };
    if let Some(last) = letters.last_mut()
        && let Some(value) = ALPHABET.iter().position(|letter| letter == last)
    {
        *last = ALPHABET[value & mask];
    }
}

/// Like Python's `int`: allows white space at the ends, a sign, and single underscores between
/// digits.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let well_formed = digits
        .split('_')
        .all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    if !well_formed {
        return None;
    }
    text.replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uid_decodes_to_its_account() {
        for id in [1, 10, 99, 123_456_789] {
            assert_eq!(account_of(&uid_of(id)), Some(id));
            assert_eq!(account_of(&format!("{}==", uid_of(id))), Some(id));
        }
        assert_eq!((uid_of(1).as_str(), uid_of(10).as_str()), ("MQ", "MTA"));
    }

    #[test]
    fn uid_is_decoded_as_leniently_as_django_does_it() {
        let cases = [
            ("IDE", Some(1)),
            ("KzE", Some(1)),
            ("MV8w", Some(10)),
            ("MR", Some(1)),
            ("M!Q", Some(1)),
            ("MQ=x", None),
            ("MQ= x", Some(1)),
            (" Mg ", None),
            ("", None),
            ("M", None),
            ("YWJj", None),
            ("MS41", None),
            ("юид", None),
            ("OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", None),
        ];
        for (uid, id) in cases {
            assert_eq!(account_of(uid), id, "{uid}");
        }
    }
}
