//! Makes tokens as a client may make them (good, odd and forged), and reads those of the server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::{Sha256, Sha512};

use super::request::Captures;
use super::rows::{Recipe, Tamper};

/// Makes the token of a `mint` row at the time `now`.
pub fn mint(
    recipe: &Recipe,
    secret: &str,
    captures: &Captures,
    now: i64,
) -> Result<String, String> {
    match recipe {
        Recipe::Signed { header, payload, key } => {
            let key = if key == "signing" { secret } else { key };
            let payload = payload.iter().map(|(name, value)| (name.clone(), at(value, now)));
            sign(header, &Value::Object(payload.collect()), key)
        }
        Recipe::Tampered { from, tamper } => {
            let token =
                captures.get(from).ok_or_else(|| format!("no earlier answer gave ${{{from}}}"))?;
            tampered(token, *tamper)
        }
    }
}

/// Header and claims of a token, if the server's key signed it.
pub fn read(token: &str, secret: &str) -> Option<(Value, Map<String, Value>)> {
    let [header, payload, signature] = thirds(token)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(format!("{header}.{payload}").as_bytes());
    mac.verify_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    decode(token)
}

/// Header and claims of a token, whatever its signature.
pub fn decode(token: &str) -> Option<(Value, Map<String, Value>)> {
    let [header, payload, _] = thirds(token)?;
    let header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some((header, claims))
}

/// `"now+300"` is a number of seconds; every other value is unchanged, even the word `"soon"`.
fn at(value: &Value, now: i64) -> Value {
    let offset = value.as_str().and_then(|text| text.strip_prefix("now"));
    match offset.map(|offset| if offset.is_empty() { Ok(0) } else { offset.parse::<i64>() }) {
        Some(Ok(offset)) => Value::from(now + offset),
        _ => value.clone(),
    }
}

fn sign(header: &Value, payload: &Value, key: &str) -> Result<String, String> {
    let signed = format!("{}.{}", encoded(header), encoded(payload));
    let signature = match header["alg"].as_str() {
        Some("HS256") => keyed::<Hmac<Sha256>>(&signed, key),
        Some("HS512") => keyed::<Hmac<Sha512>>(&signed, key),
        other => return Err(format!("cannot sign with {other:?}")),
    };
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn keyed<M: Mac + KeyInit>(signed: &str, key: &str) -> Vec<u8> {
    let mut mac =
        <M as KeyInit>::new_from_slice(key.as_bytes()).expect("a MAC takes a key of any length");
    mac.update(signed.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn tampered(token: &str, tamper: Tamper) -> Result<String, String> {
    let [header, payload, signature] =
        thirds(token).ok_or("the token to tamper with has no three parts")?;
    let unsigned = || encoded(&serde_json::json!({"alg": "none", "typ": "JWT"}));
    Ok(match tamper {
        Tamper::AlgNone => format!("{}.{payload}.", unsigned()),
        Tamper::Signature => format!("{header}.{payload}.{}", other_first_letter(signature)),
        Tamper::PayloadUser => format!("{header}.{}.{signature}", of_another_user(payload)?),
        Tamper::StripSignature => format!("{header}.{payload}."),
        Tamper::TwoParts => format!("{header}.{payload}"),
    })
}

fn thirds(token: &str) -> Option<[&str; 3]> {
    token.split('.').collect::<Vec<_>>().try_into().ok()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The first letter: the bits of the last one may be padding.
fn other_first_letter(signature: &str) -> String {
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    signature.chars().enumerate().map(|(i, letter)| if i == 0 { first } else { letter }).collect()
}

fn of_another_user(payload: &str) -> Result<String, String> {
    let json = URL_SAFE_NO_PAD.decode(payload).map_err(|error| error.to_string())?;
    let mut claims: Value = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    claims["user_id"] = Value::from(2);
    Ok(encoded(&claims))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> String {
        sign(&json!({"alg": "HS256", "typ": "JWT"}), &json!({"jti": "x", "user_id": 1}), "key")
            .expect("HS256")
    }

    #[test]
    fn only_a_token_of_the_right_key_and_algorithm_is_read() {
        assert!(read(&good(), "key").is_some());
        assert!(read(&good(), "other").is_none());
        let long = sign(&json!({"alg": "HS512"}), &json!({}), "key").expect("HS512");
        assert!(read(&long, "key").is_none());
    }

    #[test]
    fn no_tampered_token_is_read() {
        use Tamper::{AlgNone, PayloadUser, Signature, StripSignature, TwoParts};
        for tamper in [AlgNone, Signature, PayloadUser, StripSignature, TwoParts] {
            let token = tampered(&good(), tamper).expect("three parts");
            assert_ne!(token, good());
            assert!(read(&token, "key").is_none(), "{tamper:?}");
        }
    }

    #[test]
    fn only_times_are_counted_from_now() {
        for (written, meant) in [
            ("now", json!(100)),
            ("now+5", json!(105)),
            ("now-9", json!(91)),
            ("soon", json!("soon")),
        ] {
            assert_eq!(at(&json!(written), 100), meant);
        }
    }
}
