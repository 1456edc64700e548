//! Google: OpenID Connect with a secret, and `tokeninfo`, which names the client of a token.

use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

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
    scope: &["openid", EMAIL[0], EMAIL[1], PROFILE[0], PROFILE[1]],
    default_scope: "",
    whole_scope: "openid email profile",
    code_prefix: "4/0",
    code_bytes: 48,
};

const EMAIL: [&str; 2] = ["email", "https://www.googleapis.com/auth/userinfo.email"];
const PROFILE: [&str; 2] = ["profile", "https://www.googleapis.com/auth/userinfo.profile"];

pub(crate) const ACCESS: &str = "ya29.a0";

pub(crate) fn token(records: &mut Records, request: &Request) -> Answer {
    if !request.is(&Method::POST) {
        return answer::method_not_allowed("POST");
    }
    exchange(records, request).map_or_else(refusal, |tokens| answer::json(StatusCode::OK, &tokens))
}

fn exchange(records: &mut Records, request: &Request) -> Result<Value, Refusal> {
    let grant_type = token::grant_type(request)?;
    let client = token::authenticate(records, request, Both::Refused)?;
    let grant = match grant_type {
        "authorization_code" => token::spend_code(records, request, &client, token::same_redirect)?,
        "refresh_token" => records.refresh(request.needed("refresh_token")?, &client.id)?,
        _ => return Err(Refusal::GrantType),
    };
    let mut tokens = json!({
        "access_token": records.issue_access(ACCESS, &grant),
        "expires_in": 3599,
        "scope": grant.scope,
        "token_type": "Bearer",
    });
    if grant.has(&["openid"]) {
        let person = Value::Object(person(&grant));
        tokens["id_token"] = json!(token::id_token("https://accounts.google.com", &grant, &person));
    }
    if grant.offline && grant_type == "authorization_code" {
        tokens["refresh_token"] = json!(records.issue_refresh("1//0", &grant));
    }
    Ok(tokens)
}

fn refusal(refusal: Refusal) -> Answer {
    let (status, error, description) = match refusal {
        Refusal::Request(why) => (400, "invalid_request", why),
        Refusal::GrantType => (400, "unsupported_grant_type", "Invalid grant_type".to_owned()),
        Refusal::UnknownClient => {
            (401, "invalid_client", "The OAuth client was not found.".to_owned())
        }
        Refusal::SecretMissing => (400, "invalid_request", "client_secret is missing.".to_owned()),
        Refusal::SecretWrong => (401, "invalid_client", "Unauthorized".to_owned()),
        Refusal::Redirect => (400, "redirect_uri_mismatch", "Bad Request".to_owned()),
        Refusal::VerifierMissing => (400, "invalid_grant", "Missing code verifier.".to_owned()),
        Refusal::VerifierWrong => (400, "invalid_grant", "Invalid code verifier.".to_owned()),
        Refusal::VerifierUnasked => {
            (400, "invalid_grant", "code_verifier or verifier is not needed.".to_owned())
        }
        Refusal::Code | Refusal::Device | Refusal::RefreshToken => {
            (400, "invalid_grant", "Bad Request".to_owned())
        }
    };
    error_with(status, error, &description)
}

pub(crate) fn user_info(records: &Records, request: &Request) -> Answer {
    if !request.is(&Method::GET) {
        return answer::method_not_allowed("GET");
    }
    let token = request.authorization("Bearer").unwrap_or_default();
    match oracle::holder(records, token, RULES.whole_scope) {
        Holder::Answer(answer) => answer,
        Holder::Nobody => error_with(401, "invalid_request", "Invalid Credentials"),
        Holder::Grant(grant) => {
            let mut info = Map::new();
            info.insert("sub".to_owned(), json!(grant.user.id));
            info.extend(person(&grant));
            answer::json(StatusCode::OK, &Value::Object(info))
        }
    }
}

/// The user's data that the scope allows.
fn person(grant: &Grant) -> Map<String, Value> {
    let user = &grant.user;
    let mut person = Map::new();
    let mut tell = |name: &str, value: Value| {
        if !value.is_null() {
            person.insert(name.to_owned(), value);
        }
    };
    if grant.has(&PROFILE) {
        tell("name", json!(user.name));
        tell("given_name", json!(user.first_name));
        tell("family_name", json!(user.last_name));
        tell("picture", json!(user.avatar));
    }
    if grant.has(&EMAIL) {
        tell("email", json!(user.email));
        tell("email_verified", user.email_verified.clone());
        tell("hd", json!(user.hosted_domain()));
    }
    person
}

pub(crate) fn token_info(records: &Records, request: &Request) -> Answer {
    let token = match request.method.as_str() {
        "GET" => request.in_query("access_token"),
        "POST" => request.in_form("access_token"),
        _ => return answer::method_not_allowed("GET, POST"),
    };
    match oracle::holder(records, token.unwrap_or_default(), RULES.whole_scope) {
        Holder::Answer(answer) => answer,
        Holder::Nobody => error_with(400, "invalid_token", "Invalid Value"),
        Holder::Grant(grant) => answer::json(StatusCode::OK, &about(&grant)),
    }
}

/// All values are texts here.
fn about(grant: &Grant) -> Value {
    let mut about = json!({
        "azp": grant.client_id,
        "aud": grant.client_id,
        "sub": grant.user.id,
        "scope": grant.scope,
        "exp": (token::unix_now() + 3599).to_string(),
        "expires_in": "3599",
    });
    if grant.has(&EMAIL) {
        let verified = match &grant.user.email_verified {
            Value::Bool(verified) => json!(verified.to_string()),
            other => other.clone(),
        };
        let sent = [("email", json!(grant.user.email)), ("email_verified", verified)];
        for (name, value) in sent.into_iter().filter(|(_, value)| !value.is_null()) {
            about[name] = value;
        }
    }
    about["access_type"] = json!(if grant.offline { "offline" } else { "online" });
    about
}

fn error_with(status: u16, error: &str, description: &str) -> Answer {
    let status = StatusCode::from_u16(status).expect("one of the numbers above");
    answer::json(status, &json!({"error": error, "error_description": description}))
}
