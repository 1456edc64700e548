//! Yandex ID: the redirect may be left out, lifetimes are texts, and a bad token gets an empty
//! answer.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::authorize::Rules;
use crate::oracle::{self, Holder};
use crate::records::{Code, Grant, Records};
use crate::request::Request;
use crate::token::{self, Both, Refusal};

pub(crate) const RULES: Rules = Rules {
    redirect_may_be_left_out: true,
    state: 0,
    challenge_needed: false,
    methods: &["S256"],
    scope: &[],
    default_scope: WHOLE_SCOPE,
    whole_scope: WHOLE_SCOPE,
    code_prefix: "",
    code_bytes: 12, // 16 characters
};

const WHOLE_SCOPE: &str = "login:email login:info login:avatar login:default_phone";

pub(crate) const ACCESS: &str = "y0_";

pub(crate) fn token(records: &mut Records, request: &Request) -> Answer {
    if !request.is(&Method::POST) {
        return answer::method_not_allowed("POST");
    }
    exchange(records, request).map_or_else(refusal, |tokens| answer::json(StatusCode::OK, &tokens))
}

fn exchange(records: &mut Records, request: &Request) -> Result<Value, Refusal> {
    let grant_type = token::grant_type(request)?;
    let client = token::authenticate(records, request, Both::HeaderCounts)?;
    let (grant, access) = match grant_type {
        "authorization_code" => {
            let grant = token::spend_code(records, request, &client, redirect)?;
            let access = records.issue_access(ACCESS, &grant);
            (grant, access)
        }
        "refresh_token" => {
            let token = request.needed("refresh_token")?;
            let grant = records.refresh(token, &client.id)?;
            records.end_refresh(token);
            // The access token does not change.
            let access = records.access_of(&grant).ok_or(Refusal::RefreshToken)?;
            (grant, access)
        }
        _ => return Err(Refusal::GrantType),
    };
    Ok(json!({
        "token_type": "bearer",
        "access_token": access,
        "expires_in": "31536000",
        "refresh_token": records.issue_refresh("1:", &grant),
        "scope": grant.scope,
    }))
}

/// It may be left out, but another one is refused.
fn redirect(code: &Code, given: Option<&str>) -> bool {
    given.is_none_or(|given| given == code.sent_to)
}

fn refusal(refusal: Refusal) -> Answer {
    let (error, description) = match refusal {
        Refusal::Request(why) => ("invalid_request", why),
        Refusal::GrantType => ("unsupported_grant_type", "Unknown grant_type".to_owned()),
        Refusal::UnknownClient => ("invalid_client", "Client not found".to_owned()),
        Refusal::SecretMissing => ("invalid_client", "Basic auth required".to_owned()),
        Refusal::SecretWrong => ("invalid_client", "Wrong client secret".to_owned()),
        Refusal::Code | Refusal::Device => ("invalid_grant", "Code has expired".to_owned()),
        Refusal::Redirect => ("invalid_grant", "redirect_uri does not match".to_owned()),
        Refusal::VerifierMissing | Refusal::VerifierWrong | Refusal::VerifierUnasked => {
            ("invalid_grant", "code_verifier not matched".to_owned())
        }
        Refusal::RefreshToken => ("invalid_grant", "expired_token".to_owned()),
    };
    let body = json!({"error": error, "error_description": description});
    answer::json(StatusCode::BAD_REQUEST, &body)
}

pub(crate) fn user_info(records: &Records, request: &Request) -> Answer {
    if !request.is(&Method::GET) {
        return answer::method_not_allowed("GET");
    }
    if request.in_query("format").is_some_and(|format| format != "json") {
        return answer::text(StatusCode::BAD_REQUEST, "only format=json is stood in for");
    }
    // A token in the query can leak; the real provider accepts it all the same.
    let leaked = request.in_query("oauth_token").is_some();
    let header = request.authorization("OAuth").or_else(|| request.authorization("Bearer"));
    let token = header.filter(|_| !leaked).unwrap_or_default();
    match oracle::holder(records, token, RULES.whole_scope) {
        Holder::Answer(answer) => answer,
        Holder::Nobody => answer::empty(StatusCode::UNAUTHORIZED),
        Holder::Grant(grant) => answer::json(StatusCode::OK, &person(&grant)),
    }
}

fn person(grant: &Grant) -> Value {
    let user = &grant.user;
    let mut person = json!({
        "id": user.id,
        "login": user.login,
        "client_id": grant.client_id,
        "psuid": format!("1.AA{}.{}", user.id, grant.client_id),
    });
    if let Some(email) = user.email.as_ref().filter(|_| grant.has(&["login:email"])) {
        person["default_email"] = json!(email);
        person["emails"] = if email.is_empty() { json!([]) } else { json!([email]) };
    }
    if grant.has(&["login:info"]) {
        person["display_name"] = json!(user.login);
        person["real_name"] = json!(user.name);
        person["first_name"] = json!(user.first_name);
        person["last_name"] = json!(user.last_name);
        person["sex"] = Value::Null;
    }
    if grant.has(&["login:avatar"]) {
        person["default_avatar_id"] = json!(user.avatar.as_deref().unwrap_or("0/0-0"));
        person["is_avatar_empty"] = json!(user.avatar.is_none());
    }
    if let Some(phone) = user.phone.as_ref().filter(|_| grant.has(&["login:default_phone"])) {
        person["default_phone"] = json!({"id": 1, "number": phone});
    }
    person
}
