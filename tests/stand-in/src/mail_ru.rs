//! Mail.ru: the token is a parameter, and every error has status 200.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::authorize::Rules;
use crate::oracle::{self, Holder};
use crate::records::{Grant, Records};
use crate::request::Request;
use crate::token::{self, Both, Refusal};

pub(crate) const RULES: Rules = Rules {
    redirect_may_be_left_out: false,
    state: 1,
    challenge_needed: false,
    methods: &["S256"],
    scope: &["userinfo"],
    default_scope: "",
    whole_scope: "userinfo",
    code_prefix: "",
    code_bytes: 32,
};

pub(crate) const ACCESS: &str = "mr-";

pub(crate) fn token(records: &mut Records, request: &Request) -> Answer {
    if !request.is(&Method::POST) {
        return answer::method_not_allowed("POST");
    }
    exchange(records, request).map_or_else(refusal, |tokens| answer::json(StatusCode::OK, &tokens))
}

fn exchange(records: &mut Records, request: &Request) -> Result<Value, Refusal> {
    let grant_type = token::grant_type(request)?;
    let client = token::authenticate(records, request, Both::HeaderCounts)?;
    let grant = match grant_type {
        "authorization_code" => token::spend_code(records, request, &client, token::same_redirect)?,
        "refresh_token" => records.refresh(request.needed("refresh_token")?, &client.id)?,
        _ => return Err(Refusal::GrantType),
    };
    let mut tokens = json!({
        "access_token": records.issue_access(ACCESS, &grant),
        "expires_in": 3600,
    });
    // The refresh token does not change, and is not sent again.
    if grant_type == "authorization_code" {
        tokens["refresh_token"] = json!(records.issue_refresh("mr-", &grant));
    }
    Ok(tokens)
}

fn refusal(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Request(why) => error("invalid request", 2, &why),
        Refusal::GrantType => error("invalid request", 2, "grant_type is not supported"),
        Refusal::UnknownClient => error("invalid client", 1, "client not found"),
        Refusal::SecretMissing | Refusal::SecretWrong => {
            error("invalid credentials", 3, "client_secret is missing or wrong")
        }
        Refusal::Code | Refusal::Device => error("invalid token", 6, "code not found"),
        Refusal::Redirect => error("invalid request", 2, "redirect_uri does not match"),
        Refusal::VerifierMissing | Refusal::VerifierWrong | Refusal::VerifierUnasked => {
            error("invalid request", 2, "code_verifier does not match")
        }
        Refusal::RefreshToken => error("invalid token", 6, "token not found"),
    }
}

fn error(error: &str, code: u8, description: &str) -> Answer {
    let body = json!({"error": error, "error_code": code, "error_description": description});
    answer::json(StatusCode::OK, &body)
}

pub(crate) fn user_info(records: &Records, request: &Request) -> Answer {
    let token = match request.method.as_str() {
        "GET" => request.in_query("access_token"),
        "POST" => request.in_form("access_token"),
        _ => return answer::method_not_allowed("GET, POST"),
    };
    match oracle::holder(records, token.unwrap_or_default(), RULES.whole_scope) {
        Holder::Answer(answer) => answer,
        Holder::Nobody => error("invalid token", 6, "token not found"),
        Holder::Grant(grant) => answer::json(StatusCode::OK, &person(&grant)),
    }
}

fn person(grant: &Grant) -> Value {
    let user = &grant.user;
    let mut person = json!({"id": user.id, "client_id": grant.client_id});
    if let Some(email) = &user.email {
        person["email"] = json!(email);
    }
    person["name"] = json!(user.name);
    person["first_name"] = json!(user.first_name);
    person["last_name"] = json!(user.last_name);
    person["nickname"] = json!(user.login);
    if let Some(avatar) = &user.avatar {
        person["image"] = json!(avatar);
    }
    person["gender"] = json!("f");
    person["locale"] = json!("ru_RU");
    person["birthday"] = json!("01.01.2000");
    person
}
