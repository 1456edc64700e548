//! The public keys that verify access tokens (RFC 7517 section 5). Every web page may read them;
//! they are cached for less time than a new key is published before it signs.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::api::{Context, Shared};

pub fn router() -> Router<Arc<Context>> {
    Router::new().route("/.well-known/jwks.json", get(published))
}

async fn published(State(context): Shared) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "public, max-age=300"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, json!({"keys": context.auth.published_keys()}).to_string()).into_response()
}
