//! Reads a JWT without verifying it: when it expires, which account it is for. `iat` is not used,
//! because an access token from a refresh may have the `iat` of the refresh token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use propusk_wire::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use super::Credential;

/// The longest lifetime, so that it can be added to a time without overflow.
const CENTURY: i64 = 3_155_760_000;
/// Above this, a float cannot represent every second.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[derive(Deserialize)]
struct Claims {
    exp: Number,
}

/// The account of a JWT: SimpleJWT's claim, or the registered one.
pub(crate) fn account_of(credential: &Credential) -> Option<String> {
    let claims = claims::<Map<String, Value>>(&credential.token)?;
    match claims.get("user_id").or_else(|| claims.get("sub"))? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// The kind of a JWT: SimpleJWT's `access` or `refresh`, or an empty text. `None` if it is not a
/// JWT.
pub(super) fn kind(token: &Secret) -> Option<String> {
    let claims = claims::<Map<String, Value>>(token)?;
    Some(claims.get("token_type").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// The seconds from `now` until a JWT expires. `None` if it does not say.
pub(super) fn lifetime_of(token: &Secret, now: i64) -> Option<i64> {
    let claims: Claims = claims(token)?;
    seconds(&claims.exp).map(|exp| lifetime(exp.saturating_sub(now)))
}

/// The claims of a JWT, without verification.
fn claims<T: DeserializeOwned>(token: &Secret) -> Option<T> {
    let payload = token.expose().split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// The whole seconds of a number that may be a float.
pub(super) fn seconds(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64()?.floor();
        // In this range the conversion is exact.
        (float.abs() <= EXACT).then_some(float as i64)
    })
}

/// A lifetime within the limits of [`Tokens`](super::Tokens).
pub(super) fn lifetime(seconds: i64) -> i64 {
    seconds.clamp(0, CENTURY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lives_at(claims: &str, now: i64) -> Option<i64> {
        lifetime_of(&format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims)).into(), now)
    }

    #[test]
    fn jwt_lifetime_ends_at_exp() {
        for (claims, seconds) in [
            (r#"{"exp":1300,"iat":1}"#, Some(300)),
            (r#"{"exp":1300.9}"#, Some(300)),
            (r#"{"exp":1000}"#, Some(0)),
            (r#"{"exp":-5}"#, Some(0)),
            (r#"{"exp":9223372036854775807}"#, Some(CENTURY)),
            (r#"{"exp":-9223372036854775808}"#, Some(0)),
        ] {
            assert_eq!(lives_at(claims, 1000), seconds, "{claims}");
        }
    }

    #[test]
    fn jwt_lifetime_is_unknown_without_exp() {
        for claims in [
            "",
            "{",
            "{}",
            "[]",
            "null",
            r#"{"exp":"1300"}"#,
            r#"{"exp":null}"#,
            r#"{"exp":true}"#,
            r#"{"exp":[1300]}"#,
            r#"{"exp":1e300}"#,
            r#"{"exp":-1e300}"#,
        ] {
            assert_eq!(lives_at(claims, 1000), None, "{claims}");
        }
        for token in ["", ".", "..", "a.b", "a.!.c", "no-jwt", "pr1.x"] {
            assert_eq!(lifetime_of(&token.into(), 1000), None, "{token}");
        }
    }
}
