//! Sign-in with Google, VK ID, Yandex and Mail.ru as in the document: a link, the provider's tokens
//! for a code, our tokens for a provider's token.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::read::{self, Params};
use super::reply::{Answer, Finding, Reply};
use super::{PairResponse, failure};
use crate::api::{Context, Route, Shared};
use crate::auth::{Callback, ProviderTokens, SignInMode};
use crate::error::{Error, ProviderFault, SignInFault};

/// The first part of each path, and its provider.
const PROVIDERS: [(&str, &str); 4] =
    [("/google", "google"), ("/vk", "vk"), ("/mail.ru", "mail_ru"), ("/yandex", "yandex")];

/// The first parts of all paths.
pub fn roots() -> impl Iterator<Item = &'static str> {
    PROVIDERS.into_iter().map(|(root, _)| root)
}

pub fn routes() -> impl Iterator<Item = Route> {
    PROVIDERS.into_iter().flat_map(|(root, provider)| routes_of(root, provider))
}

fn routes_of(root: &str, provider: &'static str) -> [Route; 4] {
    let sign_in_by_token = |mode| {
        move |state: Shared, request: Request| sign_in_by_token(state, provider, mode, request)
    };
    let redeem = move |state: Shared, request: Request| redeem(state, provider, request);
    let link = move |state: Shared, request: Request| link(state, provider, request);
    let (register, sign_in) =
        (sign_in_by_token(SignInMode::Register), sign_in_by_token(SignInMode::SignIn));
    let at = |path| Route::at(format!("{root}/{path}"));
    [
        at("link").get(link),
        at("get/token").get(redeem).post(redeem),
        at("registration").get(register).post(register),
        at("login").get(sign_in).post(sign_in),
    ]
    // GET redeems codes and makes accounts; HEAD changes nothing.
    .map(|route| route.head(|| async { StatusCode::OK }))
}

async fn link(State(context): Shared, provider: &'static str, request: Request) -> Answer {
    let from = context.client(&request);
    let started = context.auth.begin_sign_in(provider, None, from).await.map_err(refusal)?;
    Ok(Reply::ok(&started.authorize_url))
}

async fn redeem(State(context): Shared, provider: &'static str, request: Request) -> Answer {
    let from = context.client(&request);
    let mut params = read::params(request).await?;
    let callback = read_callback(&mut params, provider)?;
    let Context { auth, policy, .. } = &*context;
    let tokens = auth.redeem_code(policy, provider, callback, from).await.map_err(refusal)?;
    Ok(Reply::ok(&ProviderTokensResponse::from(tokens)))
}

async fn sign_in_by_token(
    State(context): Shared,
    provider: &'static str,
    mode: SignInMode,
    request: Request,
) -> Answer {
    let from = context.client(&request);
    let token = read::token(request, "access_token").await?;
    if token.trim().is_empty() {
        // An empty token needs no request to the provider.
        return Err(Reply::unprocessable(&[Finding::missing("query", "access_token")]));
    }
    let Context { auth, policy, .. } = &*context;
    let pair = auth.sign_in_with_token(policy, provider, &token, mode, from).await;
    Ok(Reply::ok(&PairResponse::from(pair.map_err(refusal)?)))
}

/// VK redeems a code together with its device id.
fn read_callback(params: &mut Params, provider: &str) -> Result<Callback, Reply> {
    let code = params.required("code");
    let device_id = match provider {
        "vk" => params.required("device_id"),
        _ => None,
    };
    let state = params.optional("state");
    params.finish()?;
    Ok(Callback { code, device_id, state, ..Callback::default() })
}

/// The document spells it `expire_in`.
#[derive(Serialize)]
struct ProviderTokensResponse {
    access_token: String,
    refresh_token: Option<String>,
    expire_in: Option<i64>,
}

impl From<ProviderTokens> for ProviderTokensResponse {
    fn from(tokens: ProviderTokens) -> Self {
        let ProviderTokens { access_token, refresh_token, expires_in } = tokens;
        ProviderTokensResponse { access_token, refresh_token, expire_in: expires_in }
    }
}

fn refusal(error: Error) -> Reply {
    error.note();
    match error {
        Error::Provider(ProviderFault::Unknown) => {
            Reply::detail(StatusCode::NOT_FOUND, "Not Found")
        }
        Error::Provider(ProviderFault::Refused) => {
            Reply::detail(StatusCode::UNAUTHORIZED, "Invalid provider token")
        }
        Error::Provider(
            ProviderFault::Status(_) | ProviderFault::Unusable | ProviderFault::Unreachable,
        ) => Reply::detail(StatusCode::BAD_GATEWAY, "Provider is not available"),
        Error::SignIn(SignInFault::NotRegistered) => {
            Reply::detail(StatusCode::NOT_FOUND, "User not found")
        }
        Error::SignIn(SignInFault::Registered) => {
            Reply::detail(StatusCode::CONFLICT, "User already exists")
        }
        Error::SignIn(SignInFault::AccountInUse | SignInFault::IdentityTaken) => {
            Reply::detail(StatusCode::CONFLICT, "This account is already in use")
        }
        Error::SignIn(
            SignInFault::Unknown | SignInFault::RedirectNotAllowed | SignInFault::ChallengeInvalid,
        ) => Reply::detail(StatusCode::BAD_REQUEST, "Invalid code"),
        Error::AccountInactive | Error::AccountNotFound => failure(Error::InvalidCredentials),
        other => failure(other),
    }
}
