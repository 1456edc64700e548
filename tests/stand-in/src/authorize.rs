//! The authorization endpoints: the request is checked, the user is asked, a code is issued.

use hyper::{Method, StatusCode};
use serde_json::json;

use crate::answer::{self, Answer};
use crate::records::{Grant, Records, random};
use crate::request::Request;
use crate::{Client, Consent, Provider, User, page};
use crate::{google, mail_ru, vk, yandex};

/// How the providers differ.
pub(crate) struct Rules {
    /// Whether a request without a redirect means the client's first one.
    pub redirect_may_be_left_out: bool,
    /// The least length of `state`; 0 if it may be left out.
    pub state: usize,
    pub challenge_needed: bool,
    /// The accepted names of the challenge method, which is always SHA-256.
    pub methods: &'static [&'static str],
    /// The scope needs one of these words; if the list is empty, it may be left out.
    pub scope: &'static [&'static str],
    /// The scope of a request that names none.
    pub default_scope: &'static str,
    /// All scopes of the provider.
    pub whole_scope: &'static str,
    pub code_prefix: &'static str,
    /// Random bytes of a code.
    pub code_bytes: usize,
}

pub(crate) fn rules(provider: Provider) -> &'static Rules {
    match provider {
        Provider::Google => &google::RULES,
        Provider::Vk => &vk::RULES,
        Provider::Yandex => &yandex::RULES,
        Provider::MailRu => &mail_ru::RULES,
    }
}

pub(crate) fn code(provider: Provider) -> String {
    random(rules(provider).code_prefix, rules(provider).code_bytes)
}

/// `error` and `error_description`, for the redirect.
type Fault = (&'static str, String);

pub(crate) fn answer(records: &mut Records, request: &Request) -> Answer {
    let asks = records.consent == Consent::Ask;
    if !(request.is(&Method::GET) || asks && request.is(&Method::POST)) {
        return answer::method_not_allowed(if asks { "GET, POST" } else { "GET" });
    }
    match destination(records, request) {
        Err(reason) => answer::text(StatusCode::BAD_REQUEST, reason),
        Ok((client, redirect)) => match check(request, &client) {
            Err(fault) => refuse(records, request, &redirect, fault),
            Ok(()) => decide(records, request, &client, redirect),
        },
    }
}

/// The client, and the redirect for the answer; without both there is no redirect at all.
fn destination(records: &Records, request: &Request) -> Result<(Client, String), String> {
    if let Some(name) = request.repeated() {
        return Err(format!("{name} is given more than once"));
    }
    let id = request.in_query("client_id").ok_or("client_id is missing")?;
    let client = records.client(id).ok_or("there is no such client")?;
    let redirect = match request.in_query("redirect_uri") {
        Some(given) => client.redirects.iter().find(|known| *known == given),
        None if rules(request.provider).redirect_may_be_left_out => client.redirects.first(),
        None => return Err("redirect_uri is missing".to_owned()),
    };
    let redirect = redirect.ok_or("redirect_uri is not registered for the client")?;
    Ok((client.clone(), redirect.clone()))
}

fn check(request: &Request, client: &Client) -> Result<(), Fault> {
    let rules = rules(request.provider);
    match request.in_query("response_type") {
        Some("code") => {}
        None => return Err(invalid("response_type is missing")),
        Some(_) => return Err(("unsupported_response_type", "only code is supported".to_owned())),
    }
    if request.in_query("state").map_or(0, str::len) < rules.state {
        return Err(invalid(format!("state is missing or shorter than {}", rules.state)));
    }
    let mut scope = request.in_query("scope").unwrap_or_default().split(' ');
    if !rules.scope.is_empty() && !scope.any(|word| rules.scope.contains(&word)) {
        return Err(("invalid_scope", format!("scope has none of {}", rules.scope.join(", "))));
    }
    check_challenge(request, rules.challenge_needed || client.secret.is_none())
}

fn check_challenge(request: &Request, needed: bool) -> Result<(), Fault> {
    let methods = rules(request.provider).methods;
    match (request.in_query("code_challenge"), request.in_query("code_challenge_method")) {
        (None, None) if !needed => Ok(()),
        (None, _) => Err(invalid("code_challenge is missing")),
        (Some(challenge), _) if !is_challenge(challenge) => {
            Err(invalid("code_challenge is not 43 characters of base64url"))
        }
        (Some(_), Some(method)) if methods.contains(&method) => Ok(()),
        // Without a method, `plain` is meant (RFC 7636, section 4.3).
        (Some(_), _) => Err(invalid("code_challenge_method is not supported")),
    }
}

fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn invalid(description: impl Into<String>) -> Fault {
    ("invalid_request", description.into())
}

fn decide(records: &mut Records, request: &Request, client: &Client, redirect: String) -> Answer {
    let decision = match records.consent {
        Consent::Grant => Some(records.user.clone()),
        Consent::Deny => None,
        Consent::Ask if request.is(&Method::GET) => {
            return answer::html(page::ask(request.provider, &client.id, &records.user));
        }
        Consent::Ask => page::decision(request, &records.user),
    };
    match decision {
        Some(user) => grant(records, request, user, redirect),
        None => {
            let fault = ("access_denied", "the user said no".to_owned());
            refuse(records, request, &redirect, fault)
        }
    }
}

fn grant(records: &mut Records, request: &Request, user: User, redirect: String) -> Answer {
    let provider = request.provider;
    let text = |name| request.in_query(name).map(str::to_owned);
    let client_id = request.in_query("client_id").unwrap_or_default();
    let scope = request.in_query("scope").unwrap_or(rules(provider).default_scope);
    let first = records.agree(client_id, &user);
    let mut grant = Grant::new(client_id, user, scope);
    grant.nonce = text("nonce");
    let asked_again =
        request.in_query("prompt").is_some_and(|p| p.split(' ').any(|w| w == "consent"));
    grant.offline = request.in_query("access_type") == Some("offline") && (first || asked_again);
    let code = code(provider);
    let parameters = callback(records, request, &code, &grant.device_id);
    records.issue_code(code, grant, redirect.clone(), text("code_challenge"));
    send_back(records, request, &redirect, parameters)
}

type Parameters = Vec<(&'static str, String)>;

fn callback(records: &Records, request: &Request, code: &str, device_id: &str) -> Parameters {
    let state = request.in_query("state");
    if request.provider == Provider::Vk && records.payload {
        let payload = json!({
            "type": "code_v2", "code": code, "state": state, "device_id": device_id,
            "expires_in": 600,
        });
        return vec![("payload", payload.to_string())];
    }
    let mut parameters = vec![("code", code.to_owned())];
    parameters.extend(state.map(|state| ("state", state.to_owned())));
    if request.provider == Provider::Vk {
        parameters.push(("device_id", device_id.to_owned()));
        parameters.push(("type", "code_v2".to_owned()));
        parameters.push(("expires_in", "600".to_owned()));
    }
    parameters
}

fn refuse(records: &Records, request: &Request, redirect: &str, (error, why): Fault) -> Answer {
    let mut parameters = vec![("error", error.to_owned()), ("error_description", why)];
    parameters.extend(request.in_query("state").map(|state| ("state", state.to_owned())));
    send_back(records, request, redirect, parameters)
}

fn send_back(
    records: &Records,
    request: &Request,
    redirect: &str,
    mut query: Parameters,
) -> Answer {
    query.extend(records.iss.clone().map(|iss| ("iss", iss)));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let joint = if redirect.contains('?') { '&' } else { '?' };
    // 303, so that the browser does not post the form of the consent page to the client as well.
    let status = if request.is(&Method::POST) { StatusCode::SEE_OTHER } else { StatusCode::FOUND };
    answer::redirect(status, &format!("{redirect}{joint}{query}"))
}
