//! Reads a request's body, at most 64 KiB within 15 seconds, and records whether it was read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};

pub const MAX_BYTES: usize = 64 * 1024;
const DEADLINE: Duration = Duration::from_secs(15);

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRefusal {
    TooLarge,
    TooSlow,
    /// The client went away or broke the transfer coding.
    Broken,
}

/// A request's body that records when it has been read to its end.
pub struct TrackedBody<B> {
    body: B,
    unread: Unread,
}

/// Whether a part of the body has not been read.
#[derive(Clone)]
pub struct Unread(Arc<AtomicBool>);

impl Unread {
    pub fn is_left(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<B: http_body::Body> TrackedBody<B> {
    pub fn watch(request: Request<B>) -> (Request<Self>, Unread) {
        let unread = Unread(Arc::new(AtomicBool::new(!request.body().is_end_stream())));
        (request.map(|body| TrackedBody { body, unread: unread.clone() }), unread)
    }
}

impl<B: http_body::Body + Unpin> http_body::Body for TrackedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.unread.0.store(false, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
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
