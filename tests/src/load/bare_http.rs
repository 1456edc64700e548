//! The least that a server can do: one route that parses and answers the same POST as the route of
//! `djoser_jwt` that verifies a token. It runs in a process of its own, so that its costs are counted
//! as those of a server.

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::net::TcpListener;

use super::Result;

/// The beginning of the line with the address.
pub const READY: &str = "listening on ";

#[derive(Deserialize)]
struct Verify {
    token: String,
}

/// Serves until the process ends, on a free port that it tells `listening`.
pub async fn serve(listening: impl FnOnce(&str) -> std::io::Result<()>) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    listening(&format!("{READY}http://{}", listener.local_addr()?))?;
    let routes = Router::new()
        .route("/api/auth/jwt/verify/", post(verify))
        .route("/healthz", get(|| async { "ok\n" }));
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn verify(body: Bytes) -> Response {
    match serde_json::from_slice::<Verify>(&body) {
        Ok(Verify { token }) if !token.is_empty() => {
            ([(CONTENT_TYPE, "application/json")], "{}").into_response()
        }
        _ => StatusCode::BAD_REQUEST.into_response(),
    }
}
