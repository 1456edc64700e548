//! The cause of what a request changes, for the events that its writes store, and for its log lines.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::context::Context;
use crate::request_record;

/// Answers the request with its API and its client's address as the cause of all writes.
pub async fn with_cause(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    request_record::note_dialect(context.policy.name);
    let cause = context.auth.cause(Some(context.policy.name), context.client(&request));
    cause.during(next.run(request)).await
}
