//! The server: reads a request, notes it, and has the provider answer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::answer::{self, Answer};
use crate::desk::Desk;
use crate::request::Request;
use crate::{Endpoint, Provider, app, authorize, behaviour, provider};
use crate::{google, mail_ru, vk, yandex};

/// What all connections share.
#[derive(Default)]
pub(crate) struct Shared(Mutex<State>);

#[derive(Default)]
pub(crate) struct State {
    pub requests: Vec<Request>,
    desks: HashMap<Provider, Desk>,
}

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub fn desk(&mut self, provider: Provider) -> &mut Desk {
        self.desks.entry(provider).or_default()
    }
}

/// Serves until it is aborted, and its connections with it.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        // Whoever failed to connect sees that himself.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| respond(Arc::clone(&shared), request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        while connections.try_join_next().is_some() {}
    }
}

async fn respond(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<Answer, Infallible> {
    if request.uri().path() == app::PATH {
        return Ok(app::come_back(request.uri().query().unwrap_or_default()));
    }
    let Some((provider, endpoint)) = provider::at(request.uri().path()) else {
        return Ok(answer::text(StatusCode::NOT_FOUND, "nothing is here"));
    };
    let Some(request) = Request::read(provider, endpoint, request).await else {
        return Ok(answer::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"));
    };
    let behaviour = {
        let mut state = shared.lock();
        state.requests.push(request.clone());
        state.desk(provider).behaviours.get(&endpoint).cloned().unwrap_or_default()
    };
    if let Some(answer) = behaviour::act(behaviour, provider).await {
        return Ok(answer);
    }
    Ok(route(shared.lock().desk(provider), &request))
}

fn route(desk: &mut Desk, request: &Request) -> Answer {
    match (request.endpoint, request.provider) {
        (Endpoint::Authorize, _) => authorize::answer(desk, request),
        (Endpoint::Token, Provider::Google) => google::token(desk, request),
        (Endpoint::Token, Provider::Vk) => vk::token(desk, request),
        (Endpoint::Token, Provider::Yandex) => yandex::token(desk, request),
        (Endpoint::Token, Provider::MailRu) => mail_ru::token(desk, request),
        (Endpoint::UserInfo, Provider::Google) => google::user_info(desk, request),
        (Endpoint::UserInfo, Provider::Vk) => vk::user_info(desk, request),
        (Endpoint::UserInfo, Provider::Yandex) => yandex::user_info(desk, request),
        (Endpoint::UserInfo, Provider::MailRu) => mail_ru::user_info(desk, request),
        (Endpoint::TokenInfo, _) => google::token_info(desk, request),
    }
}
