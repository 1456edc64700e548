//! Our own API, `/propusk/v1/…`, whose requests and answers are the types of `propusk-wire`. Its access
//! tokens are good at every other API, and theirs here. Refusals are problem documents (RFC 9457) with
//! a `code` for programs.

mod account;
mod accounts;
mod identities;
mod keys;
mod password;
mod problem;
mod providers;
mod read;
mod reply;
mod sessions;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ALLOW, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, delete, get, post};
use propusk_wire::ProblemCode;

use super::Dialect;
use crate::auth::{Policy, RESET_PATH, TokenForm};
use crate::config::MAX_SESSIONS;
use crate::drf::Context;
use crate::identifier::Kind;
use crate::openapi::{Fragment, wire_schemas};
use problem::Refusal;
use reply::Reply;

pub const DIALECT: Dialect = Dialect {
    policy: Policy {
        name: "native",
        code: 6,
        signs_in_by: &[Kind::Email, Kind::Phone, Kind::Username],
        access_seconds: 900,
        // 60 days after its last use, one year after it was opened.
        refresh_seconds: 5_184_000,
        absolute_seconds: Some(31_536_000),
        grace_seconds: 0,
        max_sessions: MAX_SESSIONS,
        rotating: true,
        early_refresh_seconds: None,
        strict: false,
        tells_inactive: true,
        new_address_waits: true,
        form: TokenForm::PublicKey,
        text_id: false,
        activation: Some(false),
        new_network_notice: Some(false),
        reset_path: RESET_PATH,
    },
    mount,
    openapi: || {
        let file = include_str!("../../openapi/native.json");
        Fragment::of("native", &[file]).with_schemas(wire_schemas())
    },
};

/// What every handler is given.
type Shared = State<Arc<Context>>;
/// What every handler answers.
type Answer<T> = Result<Reply<T>, Refusal>;
/// A path below `/propusk/v1`, its `Allow`, and its handlers.
type Route = (&'static str, &'static str, MethodRouter<Arc<Context>>);

/// The whole API.
pub fn routes() -> Vec<Route> {
    vec![
        ("/accounts", "POST, OPTIONS", post(accounts::register)),
        ("/accounts/activate", "POST, OPTIONS", post(accounts::activate)),
        ("/accounts/resend", "POST, OPTIONS", post(accounts::resend)),
        (
            "/account",
            "GET, PATCH, DELETE, HEAD, OPTIONS",
            get(account::show).patch(account::change).delete(account::delete),
        ),
        ("/account/password", "POST, OPTIONS", post(password::change)),
        ("/password/reset", "POST, OPTIONS", post(password::request_reset)),
        ("/password/reset/confirm", "POST, OPTIONS", post(password::confirm_reset)),
        (
            "/account/identities",
            "GET, POST, HEAD, OPTIONS",
            get(identities::list).post(identities::link),
        ),
        ("/account/identities/{provider}/{subject}", "DELETE, OPTIONS", delete(identities::unlink)),
        ("/providers", "GET, HEAD, OPTIONS", get(providers::list)),
        ("/providers/{name}/start", "POST, OPTIONS", post(providers::start)),
        ("/providers/complete", "POST, OPTIONS", post(providers::complete)),
        (
            "/sessions",
            "GET, POST, DELETE, HEAD, OPTIONS",
            get(sessions::list).post(sessions::sign_in).delete(sessions::end_others),
        ),
        ("/sessions/refresh", "POST, OPTIONS", post(sessions::refresh)),
        ("/sessions/current", "DELETE, OPTIONS", delete(sessions::sign_out)),
        ("/sessions/{id}", "DELETE, OPTIONS", delete(sessions::end_one)),
    ]
}

fn mount(context: &Arc<Context>) -> Router {
    let mut router = keys::router();
    for (path, allow, methods) in routes() {
        let methods =
            methods.fallback(move |method: Method| async move { other_method(&method, allow) });
        let path = format!("/propusk/v1{path}");
        router = router.route(&path, methods.clone()).route(&format!("{path}/"), methods);
    }
    for unknown in ["", "/", "/{*rest}"] {
        let not_found = any(|| async { Refusal::of(StatusCode::NOT_FOUND, ProblemCode::NotFound) });
        router = router.route(&format!("/propusk{unknown}"), not_found);
    }
    router.with_state(Arc::clone(context))
}

fn other_method(method: &Method, allow: &'static str) -> Response {
    let mut response = match *method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => Refusal::of(StatusCode::METHOD_NOT_ALLOWED, ProblemCode::MethodNotAllowed)
            .into_response(),
    };
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}
