//! The server: reads a request, records it, and lets the provider answer.

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
use crate::records::Records;
use crate::request::Request;
use crate::{Endpoint, Provider, app, authorize, behaviour, provider};
use crate::{google, mail_ru, vk, yandex};

/// Shared by all connections.
#[derive(Default)]
pub(crate) struct Shared(Mutex<State>);

#[derive(Default)]
pub(crate) struct State {
    pub requests: Vec<Request>,
    records: HashMap<Provider, Records>,
}

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub fn records(&mut self, provider: Provider) -> &mut Records {
        self.records.entry(provider).or_default()
    }
}

/// Serves until it is aborted, together with its connections.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        // The client notices its own failed connection.
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
        state.records(provider).behaviours.get(&endpoint).cloned().unwrap_or_default()
    };
    if let Some(answer) = behaviour::act(behaviour, provider).await {
        return Ok(answer);
    }
    Ok(route(shared.lock().records(provider), &request))
}

fn route(records: &mut Records, request: &Request) -> Answer {
    match (request.endpoint, request.provider) {
        (Endpoint::Authorize, _) => authorize::answer(records, request),
        (Endpoint::Token, Provider::Google) => google::token(records, request),
        (Endpoint::Token, Provider::Vk) => vk::token(records, request),
        (Endpoint::Token, Provider::Yandex) => yandex::token(records, request),
        (Endpoint::Token, Provider::MailRu) => mail_ru::token(records, request),
        (Endpoint::UserInfo, Provider::Google) => google::user_info(records, request),
        (Endpoint::UserInfo, Provider::Vk) => vk::user_info(records, request),
        (Endpoint::UserInfo, Provider::Yandex) => yandex::user_info(records, request),
        (Endpoint::UserInfo, Provider::MailRu) => mail_ru::user_info(records, request),
        (Endpoint::TokenInfo, _) => google::token_info(records, request),
    }
}
