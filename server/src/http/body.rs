//! Reading a request's body: at most 64 KiB within 15 seconds.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};

pub const MAX_BYTES: usize = 64 * 1024;
const DEADLINE: Duration = Duration::from_secs(15);

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRefusal {
    TooLarge,
    TooSlow,
    /// The client went away or broke the transfer coding.
    Broken,
}

pub async fn read(body: Body) -> Result<Bytes, BodyRefusal> {
    if http_body::Body::size_hint(&body).lower() > MAX_BYTES as u64 {
        return Err(BodyRefusal::TooLarge);
    }
    let collected = tokio::time::timeout(DEADLINE, Limited::new(body, MAX_BYTES).collect()).await;
    match collected.map_err(|_| BodyRefusal::TooSlow)? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyRefusal::TooLarge),
        Err(_) => Err(BodyRefusal::Broken),
    }
}
