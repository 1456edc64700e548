//! Our own API, `/propusk/v1/…`: so far the sign-in with a provider for apps, whose answer is an
//! access token that every other API takes too, and its end. Refusals are problem documents (RFC
//! 9457) with a `code` for programs.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
    RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, delete, get, post};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Dialect;
use crate::auth::{Account, AppLeg, Begun, Key, Policy, RESET_PATH, TokenForm};
use crate::drf::Context;
use crate::error::{Error, ProviderFault, SignInFault};
use crate::http::body::{self, BodyRefusal};
use crate::identifier::Kind;
use crate::openapi::{Fragment, wire_schemas};

pub const DIALECT: Dialect = Dialect {
    policy: Policy {
        name: "native",
        code: 6,
        signs_in_by: &[Kind::Email, Kind::Phone, Kind::Username],
        access_seconds: 3_600,
        // A key lives 60 days after its last use.
        refresh_seconds: 5_184_000,
        rotating: false,
        early_refresh: false,
        strict: false,
        form: TokenForm::Key,
        reset_path: RESET_PATH,
    },
    mount,
    openapi: || {
        let file = include_str!("../openapi/native.json");
        Fragment::of("native", &[file]).with_schemas(wire_schemas())
    },
};

fn mount(context: &Arc<Context>) -> Router {
    let routes: [(&str, &str, MethodRouter<Arc<Context>>); 4] = [
        ("/propusk/v1/providers", "GET, HEAD, OPTIONS", get(providers)),
        ("/propusk/v1/providers/{name}/start", "POST, OPTIONS", post(start)),
        ("/propusk/v1/providers/complete", "POST, OPTIONS", post(complete)),
        ("/propusk/v1/sessions/current", "DELETE, OPTIONS", delete(sign_out)),
    ];
    let mut router = Router::new();
    for (path, allow, methods) in routes {
        let methods =
            methods.fallback(move |method: Method| async move { other_method(&method, allow) });
        router = router.route(path, methods.clone()).route(&format!("{path}/"), methods);
    }
    for unknown in ["", "/", "/{*rest}"] {
        let not_found = any(|| async { Problem::of(StatusCode::NOT_FOUND, "not_found") });
        router = router.route(&format!("/propusk{unknown}"), not_found);
    }
    router.with_state(Arc::clone(context))
}

type Shared = State<Arc<Context>>;
type Answer<T> = Result<Reply<T>, Problem>;

async fn providers(State(context): Shared) -> Reply<ProvidersResponse> {
    let providers = context.auth.providers().map(|provider| ProviderResponse {
        name: provider.name.to_owned(),
        title: provider.title.to_owned(),
    });
    Reply(ProvidersResponse { providers: providers.collect() })
}

async fn start(
    State(context): Shared,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Answer<StartResponse> {
    let from = client(&context, &request);
    let name = parameters.ok().and_then(|all| all.iter().next().map(|(_, name)| name.to_owned()));
    let fields = Fields::read(request).await?;
    let [redirect, challenge] = fields.texts(["redirect", "code_challenge"])?;
    let app = Some(AppLeg { redirect, challenge });
    let begun = context.auth.begin_sign_in(&name.unwrap_or_default(), app, from).await;
    Ok(Reply(begun.map_err(failure)?.into()))
}

async fn complete(State(context): Shared, request: Request) -> Answer<TokenResponse> {
    let from = client(&context, &request);
    let [code, verifier] = Fields::read(request).await?.texts(["code", "code_verifier"])?;
    let Context { auth, policy, .. } = &*context;
    let signed_in = auth.complete_sign_in(policy, &code, &verifier, from).await;
    Ok(Reply(signed_in.map_err(failure)?.into()))
}

async fn sign_out(State(context): Shared, request: Request) -> Result<StatusCode, Problem> {
    let token = bearer(request.headers()).ok_or_else(unauthorized)?;
    let Context { auth, policy, .. } = &*context;
    let who = auth.signed_in(token).await.map_err(failure)?;
    auth.sign_out_session(policy, &who).await.map_err(failure)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The token of an `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

fn unauthorized() -> Problem {
    Problem::of(StatusCode::UNAUTHORIZED, "invalid_credentials")
}

fn other_method(method: &Method, allow: &'static str) -> Response {
    let mut response = match *method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => Problem::of(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed").into_response(),
    };
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

fn client(context: &Context, request: &Request) -> IpAddr {
    context.proxies.client(request.extensions(), request.headers())
}

/// The members of a JSON body; no `Debug`: they hold secrets.
struct Fields(Map<String, Value>);

impl Fields {
    async fn read(request: Request) -> Result<Self, Problem> {
        let body = body::read(request.into_body()).await.map_err(|refusal| match refusal {
            BodyRefusal::TooLarge => Problem::of(StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            BodyRefusal::TooSlow => Problem::of(StatusCode::REQUEST_TIMEOUT, "too_slow"),
            BodyRefusal::Broken => Problem::of(StatusCode::BAD_REQUEST, "broken"),
        })?;
        serde_json::from_slice(&body)
            .map(Fields)
            .map_err(|_| Problem::of(StatusCode::BAD_REQUEST, "invalid_json"))
    }

    /// These members, all of which must be texts.
    fn texts<const N: usize>(&self, names: [&'static str; N]) -> Result<[String; N], Problem> {
        let text = |name: &&str| self.0.get(*name).and_then(Value::as_str);
        let missing: Vec<_> = names.iter().filter(|name| text(name).is_none()).copied().collect();
        match missing.is_empty() {
            true => Ok(names.map(|name| text(&name).unwrap_or_default().to_owned())),
            false => Err(Problem::of_fields(missing)),
        }
    }
}

/// An answer that no cache keeps: most hold secrets.
struct Reply<T>(T);

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        with_headers(StatusCode::OK, "application/json", &self.0)
    }
}

#[derive(Serialize)]
struct ProvidersResponse {
    providers: Vec<ProviderResponse>,
}

#[derive(Serialize)]
struct ProviderResponse {
    name: String,
    title: String,
}

#[derive(Serialize)]
struct StartResponse {
    authorize_url: String,
    state: String,
    expires_in: i64,
}

impl From<Begun> for StartResponse {
    fn from(begun: Begun) -> Self {
        let Begun { authorize_url, state, expires_in } = begun;
        StartResponse { authorize_url, state, expires_in }
    }
}

#[derive(Serialize)]
struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    account: AccountResponse,
}

#[derive(Serialize)]
struct AccountResponse {
    id: i64,
    email: Option<String>,
    email_verified: bool,
    phone: Option<String>,
    username: Option<String>,
    display_name: Option<String>,
}

impl From<(Key, Account)> for TokenResponse {
    fn from((key, account): (Key, Account)) -> Self {
        TokenResponse {
            access_token: key.expose().to_owned(),
            token_type: "Bearer",
            account: AccountResponse {
                id: account.id,
                email_verified: account.email_verified_at.is_some(),
                email: account.email,
                phone: account.phone,
                username: account.username,
                display_name: account.display_name,
            },
        }
    }
}

/// A refusal: `code` is for programs, `title` for whoever reads a log.
#[derive(Serialize)]
struct Problem {
    title: &'static str,
    status: u16,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<&'static str>,
    #[serde(skip)]
    retry_after: Option<i64>,
}

impl Problem {
    fn of(status: StatusCode, code: &'static str) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        Problem { title, status: status.as_u16(), code, fields: Vec::new(), retry_after: None }
    }

    /// Members that are missing, or are not what they have to be.
    fn of_fields(fields: Vec<&'static str>) -> Self {
        Problem { fields, ..Problem::of(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields") }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = with_headers(status, "application/problem+json", &self);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn with_headers(status: StatusCode, media_type: &'static str, body: &impl Serialize) -> Response {
    let Ok(body) = serde_json::to_vec(body) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (status, HeaderMap::from_iter(headers), Body::from(body)).into_response()
}

fn failure(error: Error) -> Problem {
    let refused = |code| Problem::of(StatusCode::FORBIDDEN, code);
    match error {
        Error::Provider(ProviderFault::Unknown) => Problem::of(StatusCode::NOT_FOUND, "not_found"),
        Error::Provider(ProviderFault::Refused) => refused("provider_refused"),
        Error::Provider(
            ProviderFault::Status(_) | ProviderFault::Unusable | ProviderFault::Unreachable,
        ) => Problem::of(StatusCode::BAD_GATEWAY, "provider_unavailable"),
        Error::SignIn(SignInFault::Unknown) => {
            Problem::of(StatusCode::BAD_REQUEST, "sign_in_unknown")
        }
        Error::SignIn(SignInFault::RedirectNotAllowed) => refused("redirect_not_allowed"),
        Error::SignIn(SignInFault::ChallengeInvalid) => Problem::of_fields(vec!["code_challenge"]),
        Error::SignIn(
            SignInFault::AccountInUse | SignInFault::Registered | SignInFault::NotRegistered,
        ) => Problem::of(StatusCode::CONFLICT, "account_in_use"),
        Error::Taken(_) => Problem::of(StatusCode::CONFLICT, "identifier_taken"),
        Error::AccountInactive => refused("account_inactive"),
        Error::InvalidCredentials
        | Error::WrongPassword
        | Error::AccountNotFound
        | Error::Token(_) => unauthorized(),
        Error::ReauthenticationRequired => refused("reauthentication_required"),
        Error::NoIdentifier => Problem::of_fields(vec!["identifiers"]),
        Error::PasswordTooLong => Problem::of_fields(vec!["password"]),
        Error::UnknownUid | Error::LinkInvalid | Error::LinkSpent => {
            Problem::of(StatusCode::BAD_REQUEST, "link_invalid")
        }
        Error::RateLimited { retry_after } => Problem {
            retry_after: Some(retry_after),
            ..Problem::of(StatusCode::TOO_MANY_REQUESTS, "rate_limited")
        },
        Error::Busy { retry_after } => Problem {
            retry_after: Some(retry_after),
            ..Problem::of(StatusCode::SERVICE_UNAVAILABLE, "busy")
        },
        Error::Client(_) | Error::Internal(_) => {
            tracing::error!(%error, "a request failed");
            Problem::of(StatusCode::INTERNAL_SERVER_ERROR, "internal")
        }
    }
}
