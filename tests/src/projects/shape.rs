//! What is compared of an answer: its status, the headers of the contract, and its JSON with the
//! order of keys. What differs from run to run is a placeholder with its type.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regex_lite::Regex;
use serde_json::{Map, Value, json};

use crate::http::Answer;

const HEADERS: [&str; 8] = [
    "Content-Type",
    "Allow",
    "WWW-Authenticate",
    "Vary",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Cross-Origin-Opener-Policy",
];

/// The lifetimes of the suite are multiples of a minute. An older SimpleJWT gives the access token of
/// a refresh the `iat` of the refresh token, which may be some seconds old on a busy machine.
const ROUNDED: i64 = 60;

/// The answer as a line of text. The texts of pages, and the description of a view, are free.
pub fn shape(answer: &Answer, is_description: bool) -> String {
    let status = answer.status.as_u16();
    let is_page = answer.header("Content-Type").is_some_and(|kind| kind.starts_with("text/html"));
    if is_page || (status == 404 && !answer.body.starts_with(b"{")) {
        return status.to_string();
    }
    let headers: Map<_, _> =
        HEADERS.iter().map(|name| ((*name).to_owned(), answer.header(name).into())).collect();
    let body = match serde_json::from_slice::<Value>(&answer.body) {
        _ if is_description => Value::Null,
        Ok(body) => masked(&body),
        Err(_) => answer.text().into(),
    };
    format!("{status} {body} {}", Value::Object(headers))
}

/// Placeholders in place of what differs from run to run.
fn masked(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), masked(value))).collect()
        }
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::String(text) => masked_text(text),
        other => other.clone(),
    }
}

fn masked_text(text: &str) -> Value {
    if let Some([header, claims]) = token(text) {
        return json!({ "header": header, "claims": masked_claims(&claims) });
    }
    let is = |pattern: &str| Regex::new(pattern).expect("a pattern").is_match(text);
    if is("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$") {
        return "<uuid4>".into();
    }
    if is("^[0-9a-f]{40}$") {
        return "<hex40>".into();
    }
    if is(r"^(md5|pbkdf2_sha256)\$") {
        return "<hash>".into();
    }
    if text.starts_with("JSON parse error - ") {
        return "JSON parse error".into();
    }
    let host = Regex::new(r"http://127\.0\.0\.1:\d+").expect("a pattern");
    host.replace_all(text, "http://<host>").into_owned().into()
}

/// Header and claims of a token.
fn token(text: &str) -> Option<[Value; 2]> {
    let parts: Vec<_> = text.split('.').collect();
    let [header, claims, _] = parts[..] else { return None };
    let read = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    Some([read(header)?, read(claims)?])
}

fn masked_claims(claims: &Value) -> Value {
    let Value::Object(members) = claims else { return claims.clone() };
    let issued_at = members.get("iat").and_then(Value::as_i64);
    let masked_claim = |(name, value): (&String, &Value)| {
        let value = match (name.as_str(), value.as_i64(), issued_at) {
            ("iat", Some(_), _) => "<int>".into(),
            ("exp", Some(expires_at), Some(issued_at)) => {
                let life = expires_at - issued_at;
                format!("iat + {}", (life + ROUNDED / 2) / ROUNDED * ROUNDED).into()
            }
            ("jti", ..) => match value.as_str() {
                Some(id) => format!("<{} characters>", id.len()).into(),
                None => value.clone(),
            },
            _ => masked(value),
        };
        (name.clone(), value)
    };
    members.iter().map(masked_claim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_shown_by_its_claims_in_their_order() {
        let encoded = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({"exp": 1_301, "jti": "0123", "iat": 1_000, "role": "editor"});
        let text = format!("{}.{}.x", encoded(json!({"alg": "HS256"})), encoded(claims));
        let expected = r#"{"header":{"alg":"HS256"},"claims":{"exp":"iat + 300","jti":"<4 characters>","iat":"<int>","role":"editor"}}"#;
        assert_eq!(masked_text(&text).to_string(), expected);
    }

    #[test]
    fn placeholder_stands_for_its_type_alone() {
        for (text, shown) in [
            ("c0138461-f9b5-4255-8925-85c26631a8cf", "<uuid4>"),
            ("c0138461-f9b5-1255-8925-85c26631a8cf", "c0138461-f9b5-1255-8925-85c26631a8cf"),
            ("0123456789012345678901234567890123456789", "<hex40>"),
            ("http://127.0.0.1:4711/auth/users/", "http://<host>/auth/users/"),
            ("https://auth.example.com", "https://auth.example.com"),
            ("a.b.c", "a.b.c"),
        ] {
            assert_eq!(masked_text(text), shown, "{text}");
        }
    }
}
