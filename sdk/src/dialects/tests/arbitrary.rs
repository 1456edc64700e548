//! Answers of all kinds, including damaged recorded ones: none causes a panic, and only an explicit
//! answer of the server ends a session.

use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, json};

use super::recorded::{exchanges, recorded_reply};
use super::*;

/// Sentences of the servers about tokens, and similar ones.
const SENTENCES: [&str; 14] = [
    "Token is invalid",
    "Token is invalid or expired",
    "Token is expired",
    "Token is blacklisted",
    "Token is not valid yet",
    "token is blacklisted",
    "No active account found for the given token.",
    "No active account found for the given credentials",
    "Invalid token.",
    "Invalid token",
    "User inactive or deleted.",
    "Invalid refresh token",
    "Authentication credentials were not provided.",
    "",
];
const CODES: [&str; 10] = [
    "token_not_valid",
    "user_inactive",
    "session_ended",
    "token_reused",
    "account_inactive",
    "token_expired",
    "invalid_credentials",
    "internal",
    "invalid_grant",
    "invalid_client",
];
const STATUSES: [u16; 17] =
    [200, 201, 202, 204, 301, 400, 400, 401, 401, 401, 403, 404, 409, 422, 500, 502, 503];
const CONTENT_TYPES: [&str; 7] = [
    "application/json",
    "application/json",
    "application/problem+json",
    "Application/JSON; charset=utf-8",
    "text/html; charset=utf-8",
    "application/jsonp",
    "",
];

fn recorded_bodies() -> &'static [Vec<u8>] {
    static BODIES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    BODIES.get_or_init(|| {
        let responses = Dialect::ALL.into_iter().flat_map(exchanges);
        let mut bodies: Vec<_> =
            responses.map(|(_, _, response)| recorded_reply(&response).body).collect();
        bodies.sort();
        bodies.dedup();
        bodies
    })
}

/// One value of each type.
fn values() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!(true),
        json!(7),
        json!(1e300),
        json!(""),
        json!(JWT),
        json!(["a sentence"]),
        json!({}),
    ])
}

/// Parts of refusals in random combinations.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![select(&SENTENCES[..]), select(&CODES[..])].prop_map(Value::from);
    let value = prop_oneof![8 => text, 1 => values()];
    let member = select(vec!["detail", "code", "error", "messages", "status", "title", "fields"]);
    let status = select(&STATUSES[..]).prop_map(|status| ("status", json!(status)));
    let members = prop::collection::vec(prop_oneof![3 => (member, value), 1 => status], 0..6);
    members.prop_map(|members| {
        let members: Map<_, _> =
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Value::from(members).to_string().into_bytes()
    })
}

/// Refusals of our own API and of OAuth, with any status.
fn problems() -> impl Strategy<Value = Vec<u8>> {
    let said = (select(&CODES[..]), select(&STATUSES[..]), select(&SENTENCES[..]));
    (said, any::<bool>()).prop_map(|((code, status, sentence), is_native)| {
        let body = match is_native {
            true => json!({ "title": sentence, "status": status, "code": code }),
            false => json!({ "error": code, "error_description": sentence }),
        };
        body.to_string().into_bytes()
    })
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let recorded = || any::<Index>().prop_map(|index| index.get(recorded_bodies()).clone());
    let cut = (recorded(), any::<Index>()).prop_map(|(mut body, at)| {
        body.truncate(at.index(body.len() + 1));
        body
    });
    let flipped = (recorded(), any::<Index>(), any::<u8>()).prop_map(|(mut body, at, byte)| {
        let at = at.index(body.len().max(1));
        if let Some(found) = body.get_mut(at) {
            *found = byte;
        }
        body
    });
    let replaced = (recorded(), any::<Index>(), values()).prop_map(|(body, at, value)| {
        let Ok(Value::Object(mut members)) = serde_json::from_slice(&body) else { return body };
        let at = at.index(members.len().max(1));
        if let Some((_, member)) = members.iter_mut().nth(at) {
            *member = value;
        }
        Value::from(members).to_string().into_bytes()
    });
    prop_oneof![
        2 => recorded(),
        1 => cut,
        1 => flipped,
        2 => replaced,
        3 => words(),
        3 => problems(),
        1 => prop::collection::vec(any::<u8>(), 0..64),
    ]
}

/// Status, content type, body, `Retry-After`, and the time.
type Parts = (u16, &'static str, Vec<u8>, Option<String>, i64);

fn parts() -> impl Strategy<Value = Parts> {
    let status = prop_oneof![9 => select(&STATUSES[..]), 1 => any::<u16>()];
    let wait = prop::option::of("[0-9A-Za-z ,:-]{0,30}");
    let any_answer = (status, select(&CONTENT_TYPES[..]), bodies(), wait, any::<i64>());
    let of_one_status = (select(&STATUSES[..]), select(&CODES[..])).prop_map(|(status, code)| {
        let body = json!({ "title": "", "status": status, "code": code });
        (status, "application/problem+json", body.to_string().into_bytes(), None, NOW)
    });
    prop_oneof![5 => any_answer, 1 => of_one_status]
}

fn built((status, content_type, body, wait, server_now): Parts) -> Reply {
    let mut reply = Reply { server_now, ..reply(status, content_type, body) };
    if let Some(wait) = wait.and_then(|wait| HeaderValue::from_str(&wait).ok()) {
        reply.headers.insert("retry-after", wait);
    }
    reply
}

/// What an answer says about a session according to the documents, written independently of the
/// code that reads it.
fn verdict(
    dialect: Dialect,
    operation: Operation,
    scheme: Scheme,
    reply: &Reply,
) -> Option<String> {
    let ended = |reason: &str| Some(format!("signed out: {reason}"));
    let content_type = reply.headers.get("content-type")?.to_str().ok()?.to_ascii_lowercase();
    let content_type = content_type.split(';').next()?;
    if !["application/json", "application/problem+json"].contains(&content_type) {
        return None;
    }
    let body: Value = serde_json::from_slice(&reply.body).ok()?;
    let (detail, code) = (body.get("detail").and_then(Value::as_str), body.get("code"));
    let code = code.and_then(Value::as_str);
    match (dialect, operation, reply.status) {
        (Dialect::Native, Operation::SignOut, _) => None,
        (Dialect::Native, operation, 400..) if needs_session(operation) => {
            let whole = body.get("title")?.is_string() && body.get("status")? == reply.status;
            let fields = body.get("fields");
            let whole = whole && fields.is_none_or(is_map_of_texts) && reply.status != 503;
            match code.filter(|_| whole)? {
                "session_ended" => ended("Ended"),
                "token_reused" => ended("TokenReused"),
                "account_inactive" => ended("AccountInactive"),
                "invalid_credentials" | "token_expired"
                    if operation == Operation::Refresh && reply.status == 401 =>
                {
                    ended("Ended")
                }
                _ => None,
            }
        }
        (Dialect::DjoserToken, Operation::Refresh, 400) => {
            let error = body.get("error")?.as_str()?;
            let description = body.get("error_description");
            let whole = description.is_none_or(|text| text.is_string() || text.is_null());
            (error == "invalid_grant" && whole).then(|| "Spent".to_owned())
        }
        (Dialect::DjoserToken, operation, 401) if is_shown_a_key(operation) => {
            match (detail?, scheme) {
                ("Invalid token.", Scheme::Token) => ended("Ended"),
                // For an OAuth pair, only its refresh can show it.
                ("User inactive or deleted.", Scheme::Token) => ended("AccountInactive"),
                _ => None,
            }
        }
        (Dialect::Prehashed, Operation::Refresh, 401) => {
            (detail? == "Invalid refresh token").then(|| ended("Ended"))?
        }
        (
            Dialect::Simplejwt | Dialect::SimplejwtRotating | Dialect::DjoserJwt,
            Operation::Refresh,
            401,
        ) => {
            let is_about_header = body.get("messages").is_some_and(|messages| !messages.is_null());
            let is_text = body.get("code").is_none_or(|code| code.is_string() || code.is_null());
            if is_about_header || !is_text {
                return None;
            }
            match (detail?, code) {
                ("No active account found for the given token.", _) => ended("AccountInactive"),
                ("Token is not valid yet", _) => None,
                ("Token is blacklisted", Some("token_not_valid"))
                    if dialect == Dialect::SimplejwtRotating =>
                {
                    Some("Spent".to_owned())
                }
                (_, Some("token_not_valid")) => ended("Ended"),
                _ => None,
            }
        }
        _ => None,
    }
}

fn needs_session(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Refresh
            | Operation::Profile
            | Operation::UpdateProfile
            | Operation::ChangePassword
            | Operation::DeleteAccount
            | Operation::Sessions
            | Operation::Identities
            | Operation::Events
            | Operation::Export
    )
}

fn is_shown_a_key(operation: Operation) -> bool {
    matches!(operation, Operation::Profile | Operation::ChangePassword | Operation::DeleteAccount)
}

fn is_map_of_texts(fields: &Value) -> bool {
    serde_json::from_value::<std::collections::BTreeMap<String, Vec<String>>>(fields.clone())
        .is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn session_ends_only_by_an_explicit_answer_of_its_server(parts in parts()) {
        let reply = built(parts);
        for dialect in Dialect::ALL {
            for (operation, scheme) in calls(dialect) {
                let outcome = (ask(dialect, operation, scheme).read)(&reply);
                let ends = outcome == "Spent" || outcome.starts_with("signed out");
                let said = ends.then(|| outcome.clone());
                let expected = verdict(dialect, operation, scheme, &reply);
                prop_assert_eq!(
                    said, expected, "{:?} {:?} {:?}: {} {}", dialect, operation, scheme,
                    reply.status, String::from_utf8_lossy(&reply.body)
                );
            }
        }
    }
}
