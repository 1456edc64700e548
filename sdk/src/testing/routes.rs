//! The routes of Propusk's own API.

use propusk_wire::ProblemCode;
use serde::de::DeserializeOwned;

use super::federation::{AUTHORIZE, list_providers};
use super::reply::{Handled, Refusal, Reply};
use super::script::ReceivedRequest;
use super::store::Store;

/// Processes a request.
pub(super) fn answer(store: &mut Store, request: &ReceivedRequest) -> Reply {
    handle(store, request).unwrap_or_else(Reply::from)
}

fn handle(store: &mut Store, request: &ReceivedRequest) -> Handled {
    if request.path() == AUTHORIZE {
        return store.authorize(request);
    }
    let path = request.path().strip_prefix("/propusk/v1/").ok_or_else(Refusal::not_found)?;
    let parts: Vec<_> = path.trim_end_matches('/').split('/').collect();
    match (request.method(), parts.as_slice()) {
        ("POST", ["accounts"]) => store.register(body(request)?),
        ("POST", ["accounts", "activate"]) => store.activate(&body(request)?),
        ("POST", ["accounts", "resend"]) => store.resend_activation(&body(request)?),
        ("POST", ["password", "reset"]) => store.request_reset(body(request)?),
        ("POST", ["password", "reset", "confirm"]) => store.confirm_reset(body(request)?),
        ("POST", ["sessions"]) => store.sign_in(body(request)?),
        ("POST", ["sessions", "refresh"]) => store.refresh(&body(request)?),
        ("GET", ["providers"]) => Ok(list_providers()),
        ("POST", ["providers", "complete"]) => store.complete(body(request)?),
        ("POST", ["providers", name, "start"]) => store.start(name, body(request)?, request),
        (_, ["account" | "sessions", ..]) => handle_signed_in(store, request, &parts),
        _ => Err(Refusal::not_found()),
    }
}

/// The routes that need an access token.
fn handle_signed_in(store: &mut Store, request: &ReceivedRequest, parts: &[&str]) -> Handled {
    let sender = &store.sender(request)?;
    match (request.method(), parts) {
        ("GET", ["account"]) => store.show(sender),
        ("PATCH", ["account"]) => store.change(sender, body(request)?),
        ("DELETE", ["account"]) => store.delete_own_account(sender, &body_if_any(request)?),
        ("GET", ["account", "events"]) => store.list_events(sender, request),
        ("POST", ["account", "export"]) => store.export(sender, &body_if_any(request)?),
        ("POST", ["account", "password"]) => store.change_password(sender, body(request)?),
        ("GET", ["account", "identities"]) => store.list_identities(sender),
        ("POST", ["account", "identities"]) => store.link(sender, &body(request)?),
        ("DELETE", ["account", "identities", provider, subject]) => {
            store.unlink(sender, provider, subject, &body_if_any(request)?)
        }
        ("GET", ["sessions"]) => store.list_sessions(sender),
        ("DELETE", ["sessions"]) => store.end_others(sender, &body_if_any(request)?),
        ("DELETE", ["sessions", "current"]) => store.sign_out(sender),
        ("DELETE", ["sessions", id]) => store.end_one(sender, id, &body_if_any(request)?),
        _ => Err(Refusal::not_found()),
    }
}

fn body<T: DeserializeOwned>(request: &ReceivedRequest) -> Result<T, Refusal> {
    request.json().map_err(|_| Refusal::bad_request(ProblemCode::InvalidJson))
}

fn body_if_any<T: DeserializeOwned + Default>(request: &ReceivedRequest) -> Result<T, Refusal> {
    match request.body().is_empty() {
        true => Ok(T::default()),
        false => body(request),
    }
}
