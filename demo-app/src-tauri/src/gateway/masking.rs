//! Masks secrets: by the names of members, parameters and headers, and by the forms of tokens,
//! wherever they are. What is left can be shown, copied and sent to others.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::Value;

/// Who sends a body. An answer may have sentences under the name of a secret: what is wrong with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    Request,
    Answer,
}

/// Names that are secrets as a whole. Names with "password", "secret" or "token" at the end are too.
const SECRET_NAMES: [&str; 14] = [
    "access",
    "assertion",
    "attempt",
    "authorization",
    "challenge",
    "code",
    "codechallenge",
    "codeverifier",
    "cookie",
    "key",
    "refresh",
    "setcookie",
    "state",
    "verifier",
];

/// JWTs, the tokens of this server, one-time tokens, and long random text in hex or base64url.
static TOKENS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?",
        r"|p[a-z][0-9]\.[A-Za-z0-9_.-]{16,}",
        r"|[0-9a-z]{6,7}-[0-9a-f]{32,64}",
        r"|[A-Za-z0-9_-]{40,}",
        r"|[0-9a-f]{32,}",
    ))
    .ok()
});

/// The value of a header. A scheme such as `Bearer` stays.
pub fn header(name: &str, value: &str) -> String {
    if !is_secret_name(name) {
        return link_or_text(value);
    }
    match value.split_once(' ') {
        Some((scheme, secret)) if scheme.chars().all(|c| c.is_ascii_alphabetic()) => {
            format!("{scheme} {}", masked(name, secret))
        }
        _ => masked(name, value),
    }
}

/// A path with its query.
pub fn target(target: &str) -> String {
    match target.split_once('?') {
        Some((path, query)) => format!("{}?{}", text(path), parameters(query)),
        None => text(target).into_owned(),
    }
}

/// A body as text; `None` if there is none.
pub fn body(content_type: &str, body: &[u8], side: Side) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    let is = |kind: &str| content_type.split(';').next().is_some_and(|name| name.trim() == kind);
    if let Ok(mut value) = serde_json::from_slice::<Value>(body) {
        mask_value(&mut value, side);
        return Some(format!("{value:#}"));
    }
    let words = String::from_utf8_lossy(body);
    Some(match () {
        () if is("application/x-www-form-urlencoded") => parameters(&words),
        () if content_type.starts_with("text/") => text(&words).into_owned(),
        // Its members are not known, so none of it is shown.
        () => format!("({} bytes of {content_type:?})", body.len()),
    })
}

/// Masks what looks like a token, and parameters of links.
pub fn text(text: &str) -> Cow<'_, str> {
    match &*TOKENS {
        Some(tokens) => {
            tokens.replace_all(text, |found: &regex_lite::Captures<'_>| masked_token(&found[0]))
        }
        // It is a constant, and a test compiles it.
        None => Cow::Owned(masked_token(text)),
    }
}

/// `a=b&c=d`, also in a link.
fn parameters(query: &str) -> String {
    let shown = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if is_secret_name(name) => {
            format!("{name}={}", masked(name, value))
        }
        _ => text(pair).into_owned(),
    });
    shown.collect::<Vec<_>>().join("&")
}

fn mask_value(value: &mut Value, side: Side) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match is_secret_name(name) && !is_refusal(name, member, side) {
                    true => mask_secret(name, member, side),
                    false => mask_value(member, side),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask_value(item, side)),
        Value::String(words) => *words = link_or_text(words),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The member of a secret name.
fn mask_secret(name: &str, member: &mut Value, side: Side) {
    match member {
        Value::String(words) => *words = masked(name, words),
        Value::Number(_) => *member = Value::String(masked(name, &member.to_string())),
        Value::Array(_) | Value::Object(_) if side == Side::Answer => mask_value(member, side),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_secret(name, item, side)),
        Value::Object(members) => {
            members.values_mut().for_each(|item| mask_secret(name, item, side))
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn link_or_text(words: &str) -> String {
    match words.split_once('?') {
        Some((place, query)) if place.contains("://") => {
            format!("{}?{}", text(place), parameters(query))
        }
        _ => text(words).into_owned(),
    }
}

fn is_secret_name(name: &str) -> bool {
    let plain = plain(name);
    SECRET_NAMES.contains(&plain.as_str()) || is_chosen(&plain) || plain.ends_with("token")
}

fn plain(name: &str) -> String {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    plain.to_ascii_lowercase()
}

/// Whether a person may have chosen the secret, so that its beginning and its length say something.
fn is_chosen(plain_name: &str) -> bool {
    plain_name.contains("password") || plain_name.contains("secret")
}

/// Whether this is the code of a refusal, such as `token_not_valid`, and not a random one.
fn is_refusal(name: &str, member: &Value, side: Side) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let is_word = |text: &str| text.len() <= 40 && text.bytes().all(is_plain);
    side == Side::Answer && name == "code" && member.as_str().is_some_and(is_word)
}

fn masked(name: &str, secret: &str) -> String {
    match is_chosen(&plain(name)) {
        true => "…".to_owned(),
        false => masked_token(secret),
    }
}

/// The length, and the beginning of a long text, which distinguishes one token from another.
fn masked_token(secret: &str) -> String {
    let length = secret.chars().count();
    let shown = if length >= 24 { 4 } else { 0 };
    let begin: String = secret.chars().take(shown).collect();
    format!("{begin}…({length} characters)")
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw";

    fn json(text: &str, side: Side) -> String {
        let shown = body("application/json", text.as_bytes(), side).expect("a body");
        shown.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn secrets_are_masked_by_their_names() {
        for name in ["password", "new_password", "currentPassword", "client_secret"] {
            let text = format!(r#"{{"a": [{{"{name}": "a quiet harbour in the morning"}}]}}"#);
            for side in [Side::Request, Side::Answer] {
                assert_eq!(json(&text, side), format!(r#"{{ "a": [ {{ "{name}": "…" }} ] }}"#));
            }
            assert_eq!(body_of_form(&format!("{name}=quiet-harbour&x=1")), format!("{name}=…&x=1"));
        }
        for name in [
            "access",
            "refresh",
            "token",
            "access_token",
            "refresh_token",
            "id_token",
            "auth_token",
            "code",
            "code_verifier",
            "state",
            "attempt",
            "key",
        ] {
            let body = format!(r#"{{"a": [{{"{name}": "quiet harbour"}}]}}"#);
            for side in [Side::Request, Side::Answer] {
                let shown = json(&body, side);
                assert!(!shown.contains("harbour") && shown.contains("13 characters"), "{shown}");
            }
            let query = target(&format!("/a?x=1&{name}=quiet-harbour"));
            assert!(!query.contains("harbour") && query.contains("x=1"), "{query}");
            let form = body_of_form(&format!("{name}=quiet-harbour&x=1"));
            assert!(!form.contains("harbour") && form.contains("x=1"), "{form}");
        }
        assert_eq!(
            header("Authorization", &format!("Bearer {JWT}")),
            "Bearer eyJh…(67 characters)"
        );
        assert_eq!(header("set-cookie", "a=b"), "…(3 characters)");
        assert_eq!(
            header("location", "https://id.example.org/a?code=quiet-harbour&x=1"),
            "https://id.example.org/a?code=…(13 characters)&x=1"
        );
    }

    fn body_of_form(text: &str) -> String {
        body("application/x-www-form-urlencoded", text.as_bytes(), Side::Request).expect("a body")
    }

    #[test]
    fn tokens_are_masked_by_their_forms_wherever_they_are() {
        for token in [
            JWT,
            "pr1.AAECAwQFBgcICQoLDA0ODw",
            "cd1b2f-0123456789abcdef0123456789abcdef",
            "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b",
            "dGhpcyBpcyBhIHJhbmRvbSB2ZXJpZmllciBvZiBQS0NF",
        ] {
            let shown = json(&format!(r#"{{"detail": "not {token}!"}}"#), Side::Answer);
            assert!(!shown.contains(token) && shown.contains("not ") && shown.contains('!'));
            assert!(!target(&format!("/auth/activate/MQ/{token}")).contains(token));
            assert!(!header("x-other", token).contains(token));
            let page = body("text/html", format!("<p>{token}</p>").as_bytes(), Side::Answer);
            assert!(!page.expect("a body").contains(token));
        }
    }

    #[test]
    fn link_in_an_answer_keeps_its_other_parameters() {
        let shown = json(
            r#"{"authorize_url": "https://p.example/a?client_id=demo&state=shortstate&scope=email"}"#,
            Side::Answer,
        );
        assert!(shown.contains("client_id=demo") && shown.contains("scope=email"), "{shown}");
        assert!(!shown.contains("shortstate"), "{shown}");
    }

    #[test]
    fn refusals_stay_readable() {
        for kept in [
            r#"{ "code": "invalid_credentials" }"#,
            r#"{ "code": "token_not_valid" }"#,
            r#"{ "password": [ "This password is too short." ] }"#,
            r#"{ "has_password": true }"#,
            r#"{ "email": "anna@example.org", "expires_in": 120 }"#,
        ] {
            assert_eq!(json(kept, Side::Answer), kept);
        }
        assert!(!json(r#"{"password": "quiet_harbour"}"#, Side::Request).contains("harbour"));
        assert!(!json(r#"{"password": ["quiet"]}"#, Side::Request).contains("quiet"));
    }

    #[test]
    fn bodies_of_other_types_are_not_shown() {
        let form = body("multipart/form-data; boundary=x", b"--x quiet harbour", Side::Request);
        assert!(!form.expect("a body").contains("harbour"));
        assert_eq!(body("application/json", b"", Side::Request), None);
    }
}
