//! Our own API, `/propusk/v1/…`, with the request and response types of `propusk-wire`. Its access
//! tokens are valid at every other API, and theirs here. Refusals are problem documents (RFC 9457)
//! with a `code` for programs.

mod account;
mod accounts;
mod identities;
mod kept;
mod keys;
mod password;
mod problem;
mod providers;
mod read;
mod reply;
mod sessions;

use std::sync::Arc;

use axum::Router;
use axum::http::header::{ALLOW, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use propusk_wire::ProblemCode;

use super::{Dialect, Home};
use crate::api::{self, Context, HEAD_LAST, Route};
use crate::auth::{Policy, TokenForm};
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
        // 60 days after the last use, one year after the sign-in.
        refresh_seconds: 5_184_000,
        absolute_seconds: Some(31_536_000),
        grace_seconds: Some(0),
        rotating: true,
        reports_inactive: true,
        new_address_waits: true,
        form: TokenForm::PublicKey,
        activation: Some(false),
        new_network_notice: Some(false),
        ..Policy::BASE
    },
    signing: None,
    home: Home::Below(|| vec!["/propusk"]),
    mount,
    openapi: |name| {
        let file = include_str!("../../openapi/native.json");
        Fragment::of(name, &[file]).with_schemas(wire_schemas())
    },
};

/// A handler's result.
type Answer<T> = Result<Reply<T>, Refusal>;

/// All its routes.
pub fn routes() -> Vec<Route> {
    let at = |path| Route::at(format!("/propusk/v1{path}"));
    vec![
        at("/accounts").post(accounts::register),
        at("/accounts/activate").post(accounts::activate),
        at("/accounts/resend").post(accounts::resend),
        at("/account").get(account::show).patch(account::change).delete(account::delete),
        at("/account/events").get(kept::events),
        at("/account/export").post(kept::export),
        at("/account/password").post(password::change),
        at("/password/reset").post(password::request_reset),
        at("/password/reset/confirm").post(password::confirm_reset),
        at("/account/identities").get(identities::list).post(identities::link),
        at("/account/identities/{provider}/{subject}").delete(identities::unlink),
        at("/providers").get(providers::list),
        at("/providers/{name}/start").post(providers::start),
        at("/providers/complete").post(providers::complete),
        at("/sessions").get(sessions::list).post(sessions::sign_in).delete(sessions::end_others),
        at("/sessions/refresh").post(sessions::refresh),
        at("/sessions/current").delete(sessions::sign_out),
        at("/sessions/{id}").delete(sessions::end_one),
    ]
}

fn mount(context: &Arc<Context>) -> Router {
    let router = keys::router().merge(api::mount(routes(), &HEAD_LAST, other_method));
    api::not_found_below(router, "/propusk", Refusal::not_found).with_state(Arc::clone(context))
}

fn other_method(method: &Method, allow: HeaderValue) -> Response {
    let mut response = match *method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => Refusal::of(StatusCode::METHOD_NOT_ALLOWED, ProblemCode::MethodNotAllowed)
            .into_response(),
    };
    response.headers_mut().insert(ALLOW, allow);
    response
}
