//! Invariants for any answer of a server or of a proxy in front of it.

use propusk_wire::Secret;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};

use super::reply::is_sendable;
use super::*;

const STATUSES: [u16; 12] = [200, 201, 204, 302, 400, 401, 403, 404, 422, 429, 500, 503];
const CONTENT_TYPES: [&str; 4] = [
    "application/json",
    "application/problem+json",
    "text/html",
    "application/json; charset=utf-8",
];
const CENTURY: i64 = 3_155_760_000;

/// The first byte selects the status, the second the content type; the rest is the body and the
/// value of `Retry-After`. Every dialect reads it as the answer to a sign-in and to a refresh.
/// Tokens must be sendable and expire; only a refusal in JSON may end a session.
pub fn answer(bytes: &[u8]) {
    let [status, content_type, body @ ..] = bytes else { return };
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    let content_type = CONTENT_TYPES[usize::from(*content_type) % CONTENT_TYPES.len()];
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(wait) = HeaderValue::from_bytes(body) {
        headers.insert(RETRY_AFTER, wait);
    }
    let reply = Reply { status, headers, body: body.to_vec(), server_now: 1_700_000_000 };
    for dialect in Dialect::ALL {
        for call in calls(dialect) {
            check(&reply, (call.read)(&reply));
        }
    }
}

/// All calls whose answers contain tokens.
fn calls(dialect: Dialect) -> impl Iterator<Item = Call<Tokens>> {
    let (wire, token) = (dialect.wire(), Secret::new("token"));
    let client = OAuthClient { id: "client".to_owned(), secret: token.clone() };
    let app = App { device_name: None, oauth_client: Some(client) };
    let access = Credential::new(Scheme::Bearer, token.clone());
    let renewal =
        Renewal { access: &access, refresh: &token, attempt: &token, rotates: false, app: &app };
    let calls = [
        wire.sign_in("anna@example.com", &token, &app),
        wire.sign_in_with_token("vk", &token, &app),
        wire.refresh(&renewal),
    ];
    // Operations that the dialect does not have are skipped.
    calls.into_iter().flatten()
}

fn check(reply: &Reply, reading: Reading<Tokens>) {
    match reading {
        Ok(tokens) => {
            assert!((200..300).contains(&reply.status));
            let lives = [tokens.access_lifetime, tokens.refresh_lifetime].into_iter().flatten();
            assert!({ lives }.all(|seconds| (0..=CENTURY).contains(&seconds)));
            let all = tokens.refresh.iter().chain([&tokens.access.token]);
            assert!({ all }.all(|token| is_sendable(token.expose())));
        }
        Err(Refusal::SignedOut(_) | Refusal::Spent | Refusal::TooEarly) => {
            assert!((400..500).contains(&reply.status) && reply.status != 429);
            let says = reply.headers.get(CONTENT_TYPE).and_then(|said| said.to_str().ok());
            assert!(says.is_some_and(|said| said.contains("json")));
            assert!(
                serde_json::from_slice::<Value>(&reply.body).is_ok_and(|body| body.is_object())
            );
        }
        Err(Refusal::Later(wait)) => {
            assert!(wait.is_none_or(|wait| (1..=3_600).contains(&wait.as_secs())));
        }
        Err(
            Refusal::Rejected(_)
            | Refusal::Unauthorized
            | Refusal::AccountInactive
            | Refusal::Unexpected,
        ) => {}
    }
}
