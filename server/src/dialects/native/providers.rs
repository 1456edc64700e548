//! Sign-in with a provider: the list of providers, and the start and completion of an app's
//! sign-in.

use axum::extract::{Request, State};
use propusk_wire::{
    CompleteSignInRequest, Provider, ProvidersResponse, StartSignInRequest, StartSignInResponse,
    TokenResponse,
};

use super::problem::failure;
use super::reply::Reply;
use super::sessions::device;
use super::{Answer, read};
use crate::api::{Context, Shared};
use crate::auth::{AppLeg, StartedSignIn};
use crate::http::path::{self, Parameters};

pub async fn list(State(context): Shared) -> Reply<ProvidersResponse> {
    let providers = context.auth.providers().map(|provider| Provider {
        name: provider.name.to_owned(),
        title: provider.title.to_owned(),
    });
    Reply(ProvidersResponse { providers: providers.collect() })
}

pub async fn start(
    State(context): Shared,
    parameters: Parameters,
    request: Request,
) -> Answer<StartSignInResponse> {
    let from = context.client(&request);
    let name = path::parameter(&parameters, "name");
    let headers = request.headers().clone();
    let request: StartSignInRequest = read::json(request).await?;
    let StartSignInRequest { redirect, code_challenge: challenge, link, current_password } =
        request;
    let (auth, app) = (&context.auth, AppLeg { redirect, challenge });
    let started = match link {
        false => auth.begin_sign_in(&name, Some(app), from).await,
        true => {
            let who = read::signed_in(&context, &headers, from).await?;
            let proof = read::proof(&context, &who, current_password.as_ref(), from).await?;
            auth.begin_link(&proof, &name, app, from).await
        }
    };
    Ok(Reply(started.map_err(failure)?.into()))
}

pub async fn complete(State(context): Shared, request: Request) -> Answer<TokenResponse> {
    let from = context.client(&request);
    let CompleteSignInRequest { code, code_verifier, device_name } = read::json(request).await?;
    let device = device(device_name)?;
    let Context { auth, policy, .. } = &*context;
    let signed_in =
        auth.complete_sign_in(policy, code.expose(), code_verifier.expose(), device, from).await;
    Ok(Reply(signed_in.map_err(failure)?.into()))
}

impl From<StartedSignIn> for StartSignInResponse {
    fn from(started: StartedSignIn) -> Self {
        let StartedSignIn { authorize_url, state, expires_in } = started;
        StartSignInResponse { authorize_url, state, expires_in }
    }
}
