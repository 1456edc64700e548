//! The API of `tests/contract/exchanges-001.json`: e-mail and phone, a secret that the client has
//! hashed, tokens that name their user. Its document shows no refusals; they are FastAPI's here.
//!
//! `strict`: for a provider's code a handle is answered in place of the provider's tokens (`provider`),
//! and a registration answers 202 without tokens, whether the names are taken or not.

mod provider;
mod read;
mod reply;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::routing::{MethodRouter, any, get, post};
use serde::Serialize;

use self::read::Form;
use self::reply::{Answer, Finding, Reply};
use super::Dialect;
use crate::auth::password::Password;
use crate::auth::{Asked, Named, NewPassword, Pair, Policy, RESET_PATH, Registration, TokenForm};
use crate::config::MAX_SESSIONS;
use crate::drf::Context;
use crate::error::Error;
use crate::identifier::{Email, Identifier, Kind, Phone};
use crate::language::Language;
use crate::openapi::Fragment;

pub const DIALECT: Dialect = Dialect {
    policy: Policy {
        name: "prehashed",
        code: 4,
        signs_in_by: &[Kind::Email, Kind::Phone],
        access_seconds: 3600,
        // The document's tokens expire 10 800 seconds apart.
        refresh_seconds: 14_400,
        absolute_seconds: None,
        grace_seconds: 0,
        max_sessions: MAX_SESSIONS,
        rotating: false,
        early_refresh_seconds: None,
        strict: false,
        tells_inactive: false,
        new_address_waits: false,
        activation: None,
        new_network_notice: None,
        form: TokenForm::UserName,
        text_id: false,
        reset_path: RESET_PATH,
    },
    mount,
    openapi: || Fragment::of("prehashed", &[include_str!("../../openapi/prehashed.json")]),
};

/// A path, its `Allow`, and its handlers.
type Route = (String, &'static str, MethodRouter<Arc<Context>>);

/// The whole API.
pub fn routes() -> Vec<Route> {
    let own: [(&str, _, _); 5] = [
        ("/authorization/registration", POST, post(register)),
        ("/authorization/login/email", POST, post(sign_in_by_email)),
        ("/authorization/login/phone/number", POST, post(sign_in_by_phone)),
        ("/validate/jwt/refresh", GET_AND_POST, get(renew).post(renew)),
        ("/validate/jwt/access", GET_AND_POST, get(verify).post(verify)),
    ];
    let own = own.into_iter().map(|(path, allow, methods)| (path.to_owned(), allow, methods));
    own.chain(provider::routes()).collect()
}

fn mount(context: &Arc<Context>) -> Router {
    let mut router = Router::new();
    for (path, allow, methods) in routes() {
        router = with_methods(router, &path, allow, methods);
    }
    for root in ["/authorization", "/validate"].into_iter().chain(provider::roots()) {
        for unknown in ["", "/", "/{*rest}"] {
            let not_found = any(|| async { Reply::detail(StatusCode::NOT_FOUND, "Not Found") });
            router = router.route(&format!("{root}{unknown}"), not_found);
        }
    }
    router.with_state(Arc::clone(context))
}

/// Adds a path, with and without its final slash, and the answer to methods that it does not have.
fn with_methods(
    router: Router<Arc<Context>>,
    path: &str,
    allow: &'static str,
    methods: MethodRouter<Arc<Context>>,
) -> Router<Arc<Context>> {
    let methods = methods.fallback(move |method| async move { other_method(&method, allow) });
    router.route(path, methods.clone()).route(&format!("{path}/"), methods)
}

const GET: &str = "GET, HEAD, OPTIONS";
const POST: &str = "POST, OPTIONS";
const GET_AND_POST: &str = "GET, HEAD, POST, OPTIONS";

type Shared = State<Arc<Context>>;

async fn register(State(context): Shared, request: Request) -> Answer {
    let Context { auth, policy, .. } = &*context;
    let asked = Asked {
        from: client(&context, &request),
        language: read::language(&request),
        challenge: None,
    };
    auth.admit_registration(asked.from).map_err(failure)?;
    let request = RegisterRequest::read(read::form(request).await?)?;
    let registration = request.registration(asked.language);
    if policy.strict {
        auth.register_quietly(registration, asked).await.map_err(failure)?;
        return Ok(Reply::accepted());
    }
    let pair = auth.register_and_sign_in(policy, registration, asked.from).await;
    Ok(Reply::ok(&PairResponse::from(pair.map_err(failure)?)))
}

async fn sign_in_by_email(State(context): Shared, request: Request) -> Answer {
    let from = client(&context, &request);
    let mut form = read::form(request).await?;
    let email = form.email("email").map(Identifier::Email);
    sign_in(&context, &[Kind::Email], CredentialsRequest::read(form, email)?, from).await
}

async fn sign_in_by_phone(State(context): Shared, request: Request) -> Answer {
    let from = client(&context, &request);
    let mut form = read::form(request).await?;
    let phone = form.phone("phone_number").map(Identifier::Phone);
    sign_in(&context, &[Kind::Phone], CredentialsRequest::read(form, phone)?, from).await
}

async fn sign_in(
    context: &Context,
    signs_in_by: &'static [Kind],
    request: CredentialsRequest,
    from: IpAddr,
) -> Answer {
    let policy = Policy { signs_in_by, ..context.policy };
    let pair = context.auth.sign_in(&policy, request.name.shown(), &request.secret, from).await;
    Ok(Reply::ok(&PairResponse::from(pair.map_err(failure)?)))
}

async fn renew(State(context): Shared, request: Request) -> Answer {
    let from = client(&context, &request);
    let refresh = read::token(request, "refresh").await?;
    let named = context.auth.renew_named(&context.policy, &refresh, from).await;
    let named = named.map_err(failure)?;
    Ok(Reply::ok(&RenewedResponse::from(named)))
}

async fn verify(State(context): Shared, request: Request) -> Answer {
    let access = read::token(request, "access").await?;
    match context.auth.signed_in(&access, None).await {
        Ok(_) => Ok(Reply::ok(&true)),
        Err(Error::Token(_) | Error::AccountInactive | Error::AccountNotFound) => {
            Ok(Reply::ok(&false))
        }
        Err(error) => Err(failure(error)),
    }
}

fn other_method(method: &Method, allow: &'static str) -> Reply {
    match *method {
        Method::OPTIONS => Reply::allowed(allow),
        _ => Reply::method_not_allowed(allow),
    }
}

fn client(context: &Context, request: &Request) -> IpAddr {
    context.proxies.client(request.extensions(), request.headers())
}

/// No `Debug`: it holds a secret.
struct RegisterRequest {
    phone: Phone,
    email: Email,
    secret: Password,
}

impl RegisterRequest {
    fn read(mut form: Form) -> Result<Self, Reply> {
        let phone = form.phone("phone_number");
        let email = form.email("email");
        let secret = form.new_secret("hash_password");
        match (phone, email, secret) {
            (Some(phone), Some(email), Some(secret)) => {
                Ok(RegisterRequest { phone, email, secret })
            }
            _ => Err(form.refusal()),
        }
    }

    fn registration(self, language: Option<Language>) -> Registration {
        Registration {
            identifiers: vec![Identifier::Email(self.email), Identifier::Phone(self.phone)],
            password: NewPassword::Plain(self.secret),
            display_name: None,
            sign_up_name: None,
            is_superuser: false,
            language,
            awaits_activation: false,
        }
    }
}

/// No `Debug`: it holds a secret.
struct CredentialsRequest {
    name: Identifier,
    secret: String,
}

impl CredentialsRequest {
    fn read(mut form: Form, name: Option<Identifier>) -> Result<Self, Reply> {
        match (name, form.text("hash_password")) {
            (Some(name), Some(secret)) => Ok(CredentialsRequest { name, secret }),
            _ => Err(form.refusal()),
        }
    }
}

#[derive(Serialize)]
struct PairResponse {
    access: String,
    refresh: String,
}

impl From<Pair> for PairResponse {
    fn from(pair: Pair) -> Self {
        PairResponse { access: pair.access, refresh: pair.refresh }
    }
}

/// `email` is what the token calls its user, which need not be an address.
#[derive(Serialize)]
struct RenewedResponse {
    access: String,
    email: String,
}

impl From<Named> for RenewedResponse {
    fn from(named: Named) -> Self {
        RenewedResponse { access: named.access, email: named.user_name }
    }
}

fn failure(error: Error) -> Reply {
    match error {
        Error::InvalidCredentials | Error::WrongPassword => {
            Reply::detail(StatusCode::UNAUTHORIZED, "Invalid credentials")
        }
        Error::Token(_) | Error::AccountInactive | Error::AccountNotFound => {
            Reply::detail(StatusCode::UNAUTHORIZED, "Invalid refresh token")
        }
        // Which of them would tell whose phone belongs to whose address.
        Error::Taken(Kind::Email | Kind::Phone | Kind::Username) => {
            Reply::detail(StatusCode::CONFLICT, "User already exists")
        }
        Error::PasswordTooLong => Reply::unprocessable(&[Finding::too_long("hash_password")]),
        // The routes of `provider` have their own words for these.
        Error::Provider(_) | Error::SignIn(_) | Error::Client(_) => Reply::failed(&error),
        Error::RateLimited { retry_after } => {
            Reply::later(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests", retry_after)
        }
        Error::Busy { retry_after } => {
            Reply::later(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", retry_after)
        }
        Error::NoIdentifier
        | Error::ReauthenticationRequired
        | Error::UnknownUid
        | Error::LinkInvalid
        | Error::LinkSpent
        | Error::Internal(_) => Reply::failed(&error),
    }
}
