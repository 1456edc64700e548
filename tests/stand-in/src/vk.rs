//! VK ID: PKCE and a device instead of a secret, and errors with status 200.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::authorize::Rules;
use crate::oracle::{self, Holder};
use crate::records::{Grant, Records};
use crate::request::Request;
use crate::token::{self, Refusal};
use crate::{Client, User};

pub(crate) const RULES: Rules = Rules {
    redirect_may_be_left_out: false,
    state: 32,
    challenge_needed: true,
    methods: &["s256", "S256"],
    scope: &[],
    default_scope: "vkid.personal_info",
    whole_scope: "vkid.personal_info email phone",
    code_prefix: ACCESS,
    code_bytes: 120,
};

pub(crate) const ACCESS: &str = "vk2.a.";

pub(crate) fn token(records: &mut Records, request: &Request) -> Answer {
    if !request.is(&Method::POST) {
        return answer::method_not_allowed("POST");
    }
    exchange(records, request).map_or_else(refusal, |tokens| answer::json(StatusCode::OK, &tokens))
}

/// A secret is not needed, and ignored if sent.
fn exchange(records: &mut Records, request: &Request) -> Result<Value, Refusal> {
    let grant_type = token::grant_type(request)?;
    let client = records.client(request.needed("client_id")?).cloned();
    let client = client.ok_or(Refusal::UnknownClient)?;
    let state = request.needed("state")?;
    let device_id = request.needed("device_id")?;
    let (grant, id_token) = match grant_type {
        "authorization_code" => {
            let grant = spend_code(records, request, &client, device_id)?;
            let id_token = token::id_token("VK", &grant, &json!({}));
            (grant, Some(id_token))
        }
        "refresh_token" => (spend_refresh(records, request, &client, device_id)?, None),
        _ => return Err(Refusal::GrantType),
    };
    let mut tokens = json!({
        "refresh_token": records.issue_refresh("vk2.r.", &grant),
        "access_token": records.issue_access(ACCESS, &grant),
        "token_type": "Bearer",
        "expires_in": 3600,
        "user_id": number(&grant.user),
        "state": state,
        "scope": grant.scope,
    });
    if let Some(id_token) = id_token {
        tokens["id_token"] = json!(id_token);
    }
    Ok(tokens)
}

fn spend_code(
    records: &mut Records,
    request: &Request,
    client: &Client,
    device_id: &str,
) -> Result<Grant, Refusal> {
    if request.in_form("code_challenge").is_some() {
        return Err(Refusal::Request("code_challenge is not for this request".to_owned()));
    }
    request.needed("redirect_uri")?;
    if !is_verifier(request.in_form("code_verifier").unwrap_or_default()) {
        return Err(Refusal::VerifierWrong);
    }
    let grant = token::spend_code(records, request, client, token::same_redirect)?;
    if grant.device_id == device_id { Ok(grant) } else { Err(Refusal::Device) }
}

/// The documented alphabet, which has neither `.` nor `~`.
fn is_verifier(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (43..=128).contains(&text.len()) && text.bytes().all(allowed)
}

fn spend_refresh(
    records: &mut Records,
    request: &Request,
    client: &Client,
    device_id: &str,
) -> Result<Grant, Refusal> {
    let token = request.needed("refresh_token")?;
    let grant = records.refresh(token, &client.id)?;
    if grant.device_id != device_id {
        return Err(Refusal::Device);
    }
    records.end_refresh(token);
    Ok(grant)
}

/// Only here the id is a number.
fn number(user: &User) -> Value {
    user.id.parse::<u64>().map_or_else(|_| json!(user.id), |id| json!(id))
}

fn refusal(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Request(why) => error("invalid_request", &why),
        Refusal::GrantType => error("invalid_request", "grant_type is missing or invalid"),
        Refusal::UnknownClient | Refusal::SecretMissing | Refusal::SecretWrong => answer::json(
            StatusCode::UNAUTHORIZED,
            &json!({"error": "invalid_client", "error_description": "client is not found"}),
        ),
        Refusal::Code => error("invalid_grant", "code is missing or invalid"),
        Refusal::Redirect => error("invalid_grant", "redirect_uri is missing or invalid"),
        Refusal::VerifierMissing | Refusal::VerifierWrong | Refusal::VerifierUnasked => {
            error("invalid_grant", "verifier is missing or invalid")
        }
        Refusal::Device => error("invalid_request", "device_id is missing or invalid"),
        Refusal::RefreshToken => error("invalid_grant", "refresh_token is missing or invalid"),
    }
}

/// With status 200, as the real one may.
fn error(error: &str, description: &str) -> Answer {
    answer::json(StatusCode::OK, &json!({"error": error, "error_description": description}))
}

pub(crate) fn user_info(records: &Records, request: &Request) -> Answer {
    if !request.is(&Method::POST) {
        return answer::method_not_allowed("POST");
    }
    let token = request.in_form("access_token").unwrap_or_default();
    match oracle::holder(records, token, RULES.whole_scope) {
        Holder::Answer(answer) => answer,
        Holder::Nobody => error("invalid_token", "access_token is missing or invalid"),
        Holder::Grant(grant) if request.in_form("client_id") != Some(&grant.client_id) => {
            error("invalid_token", "access_token was issued to another client")
        }
        Holder::Grant(grant) => answer::json(StatusCode::OK, &json!({"user": person(&grant)})),
    }
}

fn person(grant: &Grant) -> Value {
    let user = &grant.user;
    let mut person = json!({
        "user_id": user.id,
        "first_name": user.first_name,
        "last_name": user.last_name,
    });
    if let Some(phone) = user.phone.as_ref().filter(|_| grant.has(&["phone"])) {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        person["phone"] = json!(digits);
    }
    if let Some(avatar) = &user.avatar {
        person["avatar"] = json!(avatar);
    }
    if let Some(email) = user.email.as_ref().filter(|_| grant.has(&["email"])) {
        person["email"] = json!(email);
    }
    person["sex"] = json!(1);
    // This is about the account, not the address.
    person["verified"] = json!(false);
    person["birthday"] = json!("01.01.2000");
    person
}
