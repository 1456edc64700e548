//! Values of a Django's database, in the form of the import file.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use time::format_description::well_known::Iso8601;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::schema::Kind;

/// What Django's hashers write before the first `$`.
const HASHERS: &[&str] =
    &["argon2", "bcrypt", "bcrypt_sha256", "md5", "pbkdf2_sha1", "pbkdf2_sha256", "scrypt", "sha1"];

/// Stands before a hash that the Django does not accept.
const REFUSED: &str = "refused$";

/// A hash as it is stored, marked if the Django has none of these hashers for it; all are accepted if
/// none is named. A hash that begins with `$` is not of a Django's hasher: a program of the project wrote it.
pub fn password(encoded: String, hashers: &[String]) -> String {
    let is_accepted = hashers.is_empty()
        || encoded.starts_with(['!', '$'])
        || hashers.iter().any(|name| name == algorithm_of(&encoded));
    match is_accepted {
        true => encoded,
        false => format!("{REFUSED}{encoded}"),
    }
}

/// As Django's `identify_hasher` finds it.
fn algorithm_of(encoded: &str) -> &str {
    match encoded.len() {
        32 if !encoded.contains('$') => "unsalted_md5",
        37 if encoded.starts_with("md5$$") => "unsalted_md5",
        46 if encoded.starts_with("sha1$$") => "unsalted_sha1",
        _ => encoded.split('$').next().unwrap_or(encoded),
    }
}

/// A name as it is stored; the file has no NUL, and what is empty is no name.
pub fn name(value: Option<String>) -> Option<String> {
    value.map(|text| text.replace('\0', "")).filter(|text| !text.is_empty())
}

/// As Python sees the value of a column: a flag that is set, or anything that is not empty.
pub fn is_true(value: Option<&str>) -> bool {
    !matches!(value, None | Some("" | "0" | "f" | "false"))
}

/// A time in whole seconds since 1970. One without an offset is in the Django's time zone, which is
/// ahead of UTC by these seconds.
pub fn seconds(text: &str, ahead: i64) -> Option<i64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let mut text = text.replacen(' ', "T", 1);
    if !text.contains('T') {
        text.push_str("T00:00:00");
    }
    if let Ok(instant) = OffsetDateTime::parse(&text, &Iso8601::PARSING) {
        return Some(instant.unix_timestamp());
    }
    let local = PrimitiveDateTime::parse(&text, &Iso8601::PARSING).ok()?;
    local.assume_utc().unix_timestamp().checked_sub(ahead)
}

/// The id of an account; `None` if it is not of its kind.
pub fn account_id(text: &str, kind: Kind) -> Option<Value> {
    match kind {
        Kind::Integer => text.parse::<i64>().ok().map(Value::from),
        Kind::HexUuid => Some(Value::from(uuid(text))),
        Kind::Boolean | Kind::Float | Kind::Json | Kind::Instant | Kind::Text => {
            Some(Value::from(text))
        }
    }
}

/// A value for a claim of a token.
pub fn attribute(text: Option<String>, kind: Kind) -> Value {
    let Some(text) = text else { return Value::Null };
    let read = match kind {
        Kind::Boolean => Some(Value::from(is_true(Some(&text)))),
        Kind::Integer => text.parse::<i64>().ok().map(Value::from),
        Kind::Float => text.parse::<f64>().ok().map(Value::from),
        Kind::Json => serde_json::from_str(&text).ok(),
        Kind::HexUuid => Some(Value::from(uuid(&text))),
        Kind::Instant | Kind::Text => None,
    };
    read.unwrap_or_else(|| Value::from(text.replace('\0', "")))
}

/// 32 digits with the dashes of a UUID; any other text as it is.
fn uuid(text: &str) -> String {
    let is_hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match is_hex {
        true => [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-"),
        false => text.to_owned(),
    }
}

pub fn sha256(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    Sha256::digest(text).iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// What a JWT says, without a look at its signature: it comes from the Django's own table.
pub fn claims(token: &str) -> Map<String, Value> {
    let payload = token.split('.').nth(1).unwrap_or_default().trim_end_matches('=');
    let decoded = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    serde_json::from_slice(&decoded).unwrap_or_default()
}

/// A claim that is a time, in whole seconds.
pub fn time_claim(claims: &Map<String, Value>, name: &str) -> Option<i64> {
    let claim = claims.get(name)?;
    // A float may have a fraction, which Python cuts off too.
    claim.as_i64().or_else(|| claim.as_f64().map(|seconds| seconds as i64)).filter(|at| *at != 0)
}

/// Whether a client secret is stored as Django hashes a password.
pub fn is_hashed(secret: &str) -> bool {
    secret.split_once('$').is_some_and(|(scheme, _)| HASHERS.contains(&scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_read_as_either_engine_has_it() {
        for (text, ahead, expected) in [
            ("1614827167", 3_600, Some(1_614_827_167)),
            ("2021-03-04 03:06:07", 0, Some(1_614_827_167)),
            ("2021-03-04 03:06:07.999999", 0, Some(1_614_827_167)),
            ("2021-03-04 06:06:07", 3 * 3_600, Some(1_614_827_167)),
            ("2021-03-04 05:06:07+02:00", 0, Some(1_614_827_167)),
            ("1969-12-31 23:59:59.500000", 0, Some(-1)),
            ("2021-03-04", 0, Some(1_614_816_000)),
            ("yesterday", 0, None),
        ] {
            assert_eq!(seconds(text, ahead), expected, "{text}");
        }
    }

    #[test]
    fn id_is_of_the_kind_of_its_column() {
        let uuid = "0123456789abcdef0123456789abcdef";
        let dashed = Value::from("01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(account_id("7", Kind::Integer), Some(Value::from(7)));
        assert_eq!(account_id("seven", Kind::Integer), None);
        assert_eq!(account_id("7", Kind::Text), Some(Value::from("7")));
        assert_eq!(account_id(uuid, Kind::HexUuid), Some(dashed));
        assert_eq!(account_id(uuid, Kind::Text), Some(Value::from(uuid)));
    }

    #[test]
    fn claims_are_read_without_padding_and_of_any_text() {
        let token = "h.eyJleHAiOjE2MTQ4MjcxNjcuNX0.s";
        assert_eq!(time_claim(&claims(token), "exp"), Some(1_614_827_167));
        assert_eq!(time_claim(&claims(token), "iat"), None);
        for text in ["", "a.b", "a.bm90IEpTT04.c", "a.WzFd.c"] {
            assert!(claims(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn secret_is_hashed_if_it_names_a_hasher() {
        assert!(is_hashed("pbkdf2_sha256$600000$salt$hash"));
        assert!(!is_hashed("a$b") && !is_hashed("md5"));
    }

    #[test]
    fn hash_of_a_hasher_that_is_not_named_is_refused() {
        let hashers = ["pbkdf2_sha256", "unsalted_md5"].map(str::to_owned);
        let (unsalted, digest) = ("0123456789abcdef0123456789abcdef", "0".repeat(40));
        let salted = format!("md5$${unsalted}");
        for accepted in ["pbkdf2_sha256$1$salt$x", "!unusable", "$2b$12$x", unsalted, &salted] {
            assert_eq!(password(accepted.to_owned(), &hashers), accepted);
        }
        let unsalted_sha1 = format!("sha1$${digest}");
        for refused in ["md5$salt$x", "pbkdf2_sha1$1$salt$x", &digest, &unsalted_sha1] {
            assert_eq!(password(refused.to_owned(), &hashers), format!("refused${refused}"));
            assert_eq!(password(refused.to_owned(), &[]), refused);
        }
    }

    #[test]
    fn digest_is_lower_case_hex() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256("abc"), abc);
    }
}
