//! Recorded answers of the real libraries, and their expected results. A rule matches by status and
//! words. The first matching rule counts; an answer without a rule fails the test.

use serde_json::Value;

use super::*;

/// Status (0: any), words in the body, and the expected result.
type Rule = (u16, &'static str, &'static str);

struct Endpoint {
    dialect: Dialect,
    operation: Operation,
    scheme: Scheme,
    method: &'static str,
    path: &'static str,
    rules: &'static [Rule],
}

/// Pages and transport errors are not answers of the API.
const NO_ANSWER: [Rule; 8] = [
    (0, "<", "Unexpected"),
    (400, "JSON parse error", "Unexpected"),
    (404, "", "Unexpected"),
    (405, "", "Unexpected"),
    (406, "", "Unexpected"),
    (415, "", "Unexpected"),
    (500, "", "Unexpected"),
    (0, "Expected a dictionary", "invalid_fields"),
];

const REGISTER: &[Rule] = &[
    (201, "", "ok"),
    (400, "already exists", "identifier_taken"),
    (400, "Unable to create account.", "identifier_taken"),
    (400, "{\"password\":[\"The password is too similar", "weak_password"),
    (400, "{\"password\":[\"This password is", "weak_password"),
    (400, "", "invalid_fields"),
    (401, "", "Unexpected"),
];
const LINK: &[Rule] = &[
    (204, "", "ok"),
    (403, "Stale token", "link_invalid"),
    (400, "new_password\":[\"This password", "weak_password"),
    (400, "{\"new_password", "invalid_fields"),
    (400, "non_field_errors", "invalid_fields"),
    (400, "", "link_invalid"),
];
const RESEND: &[Rule] =
    &[(204, "", "ok"), (400, "email", "invalid_fields"), (400, "", "not_found")];
const CREDENTIALS: &[Rule] = &[
    (200, "", "ok"),
    (401, "No active account", "invalid_credentials"),
    (400, "Unable to log in", "invalid_credentials"),
    (400, "", "invalid_fields"),
    (401, "Invalid token.", "Unexpected"),
];
const REFRESH: &[Rule] = &[
    (200, "", "ok"),
    (401, "No active account found for the given token.", "signed out: AccountInactive"),
    (401, "token_not_valid", "signed out: Ended"),
    (400, "", "invalid_fields"),
];
const ROTATE: &[Rule] = &[
    (200, "", "ok"),
    (401, "Token is blacklisted", "Spent"),
    (401, "token_not_valid", "signed out: Ended"),
    (400, "", "invalid_fields"),
];
/// Whatever is wrong with the token, the session has ended.
const BLACKLIST: &[Rule] = &[(200, "", "ok"), (401, "", "ok"), (400, "", "invalid_fields")];
const VERIFY: &[Rule] = &[
    (200, "", "ok"),
    (401, "token_not_valid", "ok"),
    (400, "Token is blacklisted", "ok"),
    (400, "", "invalid_fields"),
];
const SIGNED_IN: &[Rule] = &[
    (200, "", "ok"),
    (401, "user_inactive", "AccountInactive"),
    (401, "user_not_found", "AccountInactive"),
    (401, "", "Unauthorized"),
];
const KEY: &[Rule] = &[
    (200, "", "ok"),
    (401, "User inactive or deleted.", "signed out: AccountInactive"),
    (401, "Invalid token.", "signed out: Ended"),
    (401, "", "Unexpected"),
];
const PASSWORD: &[Rule] = &[
    (204, "", "ok"),
    (400, "{\"current_password\":[\"Invalid password.\"]}", "wrong_password"),
    (400, "{\"new_password\":[\"This password is too short", "weak_password"),
    (400, "", "invalid_fields"),
];
const CONVERT: &[Rule] = &[
    (200, "", "ok"),
    (400, "could not be reached", "provider_unavailable"),
    (400, "Backend responded", "provider_unavailable"),
    (400, "access_denied", "provider_refused"),
    (400, "User inactive or deleted.", "account_inactive"),
    (400, "Invalid backend", "not_found"),
    (400, "Invalid client_id", "invalid_client"),
    (400, "unsupported_grant_type", "unsupported_grant_type"),
    (401, "invalid_client", "invalid_client"),
    (400, "\"token\"", "invalid_fields"),
    (400, "", "invalid_fields"),
    (401, "", "Unexpected"),
];
const OWN_REGISTER: &[Rule] = &[
    (201, "", "ok"),
    (400, "already exists", "identifier_taken"),
    (400, "", "invalid_fields"),
    (401, "", "Unexpected"),
];
const OWN_RESET: &[Rule] =
    &[(200, "", "ok"), (400, "does not exist", "not_found"), (400, "", "invalid_fields")];
const OWN_CONFIRM: &[Rule] =
    &[(200, "", "ok"), (400, "Missing", "invalid_fields"), (400, "Invalid", "link_invalid")];
const NAMED: &[Rule] = &[
    (200, "", "ok"),
    (401, "", "invalid_credentials"),
    (409, "", "identifier_taken"),
    (422, "email", "invalid_fields"),
    (422, "phone_number", "invalid_fields"),
    (422, "string_too_short", "weak_password"),
    (422, "", "invalid_fields"),
];
const NAMED_REFRESH: &[Rule] =
    &[(200, "", "ok"), (401, "", "signed out: Ended"), (422, "", "invalid_fields")];
const NAMED_VERIFY: &[Rule] = &[(200, "", "ok"), (422, "", "invalid_fields")];

fn endpoints() -> Vec<Endpoint> {
    use Dialect::{DjoserJwt, DjoserToken, Prehashed, Simplejwt, SimplejwtRotating};
    use Operation as Op;
    use Scheme::{Bare, Bearer, Token};
    let rows = [
        (DjoserToken, Token, Op::Register, "POST /auth/users/", REGISTER),
        (DjoserToken, Token, Op::Activate, "POST /auth/users/activation/", LINK),
        (DjoserToken, Token, Op::ResendActivation, "POST /auth/users/resend_activation/", RESEND),
        (DjoserToken, Token, Op::SignIn, "POST /auth/token/login/", CREDENTIALS),
        (DjoserToken, Token, Op::SignOut, "POST /auth/token/logout/", LINK),
        (DjoserToken, Token, Op::Profile, "GET /auth/users/me/", KEY),
        (DjoserToken, Bearer, Op::Profile, "GET /auth/users/me/", BEARER),
        (DjoserToken, Token, Op::ChangePassword, "POST /auth/users/set_password/", PASSWORD),
        (DjoserToken, Token, Op::DeleteAccount, "DELETE /auth/users/me/", PASSWORD),
        (DjoserToken, Token, Op::RequestReset, "POST /auth/users/reset_password/", RESEND),
        (DjoserToken, Token, Op::ConfirmReset, "POST /auth/users/reset_password_confirm/", LINK),
        (DjoserToken, Bearer, Op::ProviderTokenSignIn, "POST /auth/convert-token/", CONVERT),
        (DjoserToken, Bearer, Op::Refresh, "POST /auth/token/", CREDENTIALS),
        (DjoserToken, Bearer, Op::SignOut, "POST /auth/revoke-token/", REVOKE),
        (Prehashed, Bearer, Op::Register, "POST /authorization/registration", NAMED),
        (Prehashed, Bearer, Op::SignIn, "POST /authorization/login/email", NAMED),
        (Prehashed, Bearer, Op::SignIn, "POST /authorization/login/phone/number", NAMED),
        (Prehashed, Bearer, Op::Refresh, "GET /validate/jwt/refresh", NAMED_REFRESH),
        (Prehashed, Bearer, Op::Verify, "GET /validate/jwt/access", NAMED_VERIFY),
        (Simplejwt, Bearer, Op::Register, "POST /api/auth/register/", OWN_REGISTER),
        (Simplejwt, Bearer, Op::SignIn, "POST /api/auth/login/", CREDENTIALS),
        (Simplejwt, Bearer, Op::Refresh, "POST /api/auth/token/refresh/", REFRESH),
        (Simplejwt, Bearer, Op::Profile, "GET /api/auth/profile/", SIGNED_IN),
        (Simplejwt, Bearer, Op::RequestReset, "POST /api/auth/password/reset/", OWN_RESET),
        (
            Simplejwt,
            Bearer,
            Op::ConfirmReset,
            "POST /api/auth/password/reset/confirm/",
            OWN_CONFIRM,
        ),
        (SimplejwtRotating, Bare, Op::Register, "POST /v1/creat_autor", REGISTER),
        (SimplejwtRotating, Bare, Op::SignIn, "POST /token", CREDENTIALS),
        (SimplejwtRotating, Bare, Op::Refresh, "POST /token/refresh", ROTATE),
        (SimplejwtRotating, Bare, Op::Verify, "POST /token/verify", VERIFY),
        (DjoserJwt, Bearer, Op::Register, "POST /api/auth/users/", REGISTER),
        (DjoserJwt, Bearer, Op::SignIn, "POST /api/auth/jwt/create/", CREDENTIALS),
        (DjoserJwt, Bearer, Op::Refresh, "POST /api/auth/jwt/refresh/", REFRESH),
        (DjoserJwt, Bearer, Op::Verify, "POST /api/auth/jwt/verify/", VERIFY),
        (DjoserJwt, Bearer, Op::SignOut, "POST /api/auth/logout/", BLACKLIST),
        (DjoserJwt, Bearer, Op::Profile, "GET /api/auth/users/me/", SIGNED_IN),
        (DjoserJwt, Bearer, Op::ChangePassword, "POST /api/auth/users/set_password/", PASSWORD),
    ];
    let endpoint = |(dialect, scheme, operation, route, rules): (_, _, _, &'static str, _)| {
        let (method, path) = route.split_once(' ').expect("a method and a path");
        Endpoint { dialect, operation, scheme, method, path, rules }
    };
    rows.into_iter().map(endpoint).collect()
}

const BEARER: &[Rule] = &[
    (200, "", "ok"),
    (401, "User inactive or deleted.", "AccountInactive"),
    (401, "", "Unauthorized"),
];
const REVOKE: &[Rule] = &[(204, "", "ok"), (401, "", "Unauthorized")];

#[test]
fn recorded_answers_have_their_expected_results() {
    for endpoint in endpoints() {
        let mut read = 0;
        for (id, request, response) in exchanges(endpoint.dialect) {
            let path = request["path"].as_str().and_then(|path| path.split('?').next());
            if request["method"] != endpoint.method || path != Some(endpoint.path) {
                continue;
            }
            let reply = recorded_reply(&response);
            let outcome = (ask(endpoint.dialect, endpoint.operation, endpoint.scheme).read)(&reply);
            assert_eq!(outcome, expected(&endpoint, &reply), "{id}: {response}");
            read += 1;
        }
        assert!(read > 0, "nothing is recorded of {} {}", endpoint.method, endpoint.path);
    }
}

fn expected(endpoint: &Endpoint, reply: &Reply) -> &'static str {
    let body = String::from_utf8_lossy(&reply.body);
    let fits = |(status, words, _): &&Rule| {
        let is_there = match *words {
            "<" => body.trim_start().starts_with('<'),
            words => body.contains(words),
        };
        is_there && (*status == 0 || *status == reply.status)
    };
    let rule = NO_ANSWER.iter().chain(endpoint.rules).find(fits);
    rule.unwrap_or_else(|| panic!("no rule for {} {body}", reply.status)).2
}

/// The recorded exchanges of a dialect: id, request and response.
pub(super) fn exchanges(dialect: Dialect) -> Vec<(String, Value, Value)> {
    let text = match dialect {
        Dialect::Native => return Vec::new(),
        Dialect::DjoserToken => include_str!("../../../../tests/contract/exchanges-000.json"),
        Dialect::Prehashed => include_str!("../../../../tests/contract/exchanges-001.json"),
        Dialect::Simplejwt => include_str!("../../../../tests/contract/exchanges-002.json"),
        Dialect::SimplejwtRotating => include_str!("../../../../tests/contract/exchanges-003.json"),
        Dialect::DjoserJwt => include_str!("../../../../tests/contract/exchanges-004.json"),
    };
    let rows: Vec<Value> = serde_json::from_str(text).expect("the recorded answers");
    let exchange = |row: Value| {
        let id = row["id"].as_str()?.to_owned();
        Some((id, row.get("request")?.clone(), row.get("response")?.clone()))
    };
    rows.into_iter().filter_map(exchange).collect()
}

pub(super) fn recorded_reply(response: &Value) -> Reply {
    let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let content_type = response["headers"]["Content-Type"].as_str().unwrap_or_default();
    let body = match response.get("json") {
        Some(json) => filled(json).to_string(),
        None => response["text"].as_str().unwrap_or_default().to_owned(),
    };
    reply(status.expect("a status"), content_type, body)
}

/// An answer with values instead of the placeholders of the recording.
fn filled(json: &Value) -> Value {
    match json {
        Value::String(text) => match text.as_str() {
            "<jwt>" => JWT.into(),
            "<int>" => 7.into(),
            "<float>" => 35_776.005_997.into(),
            "<hex40>" => "b35f154d9e14f1271dbc9844f4a0e3013f56ce00".into(),
            "<alnum30>" => "UJkFgwJABXoJYOyUXEhAn4gSbQqYDQ".into(),
            _ => json.clone(),
        },
        Value::Array(list) => list.iter().map(filled).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), filled(value))).collect()
        }
        _ => json.clone(),
    }
}
