//! The accept loop: deadlines for request heads and idle connections, a maximum of connections, and
//! an orderly stop. (`axum::serve` sets no timer, so a half-sent head would block its connection
//! for ever.)

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use super::body::TrackedBody;
use super::client_stream::ClientStream;
use super::head;
use super::head_timer::HeadTimer;
use super::requests::{Requests, known_method};

/// From the first byte of a head to the last; for a new connection, from its start.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// A client that reads nothing of its answer for this long is disconnected.
const WRITE_DEADLINE: Duration = Duration::from_secs(15);
/// How long running requests may take after the stop.
const STOP_DEADLINE: Duration = Duration::from_secs(8);
/// A larger head is answered 431 unread; a smaller one is measured.
const HEAD_BUFFER: usize = 2 * head::MAX_BYTES;
/// A pause after a failure to accept, such as too many open files, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The address of the peer.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The operator's limits.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// Concurrent connections; further clients wait.
    pub max: usize,
    /// How long a connection may be idle between two requests.
    pub idle: Duration,
}

/// Serves until `shutdown`, then lets running requests end. What is refused before it reaches `app`
/// is counted in `requests`.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    connections: Connections,
    requests: Option<Requests>,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(connections.max));
    let graceful = GracefulShutdown::new();
    tokio::pin!(shutdown);
    loop {
        let next = tokio::select! {
            next = accept(&listener, &places) => next,
            () = &mut shutdown => break,
        };
        match next {
            Ok((stream, peer, place)) => {
                let served = (app.clone(), requests.clone());
                spawn((stream, peer), place, served, connections.idle, &graceful);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(STOP_DEADLINE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end before the deadline and are disconnected");
    }
}

/// Accepts a connection when there is a free place; until then clients wait in the system's
/// backlog.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

fn spawn(
    (stream, peer): (TcpStream, SocketAddr),
    place: OwnedSemaphorePermit,
    (app, requests): (Router, Option<Requests>),
    idle: Duration,
    graceful: &GracefulShutdown,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let timer = HeadTimer::new(HEADER_DEADLINE, idle);
    let arrivals = timer.arrivals();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        arrivals.note_request(request.body().size_hint().exact());
        let refusal = head::refusal(&request);
        if let (Some(status), Some(requests)) = (refusal, &requests) {
            let method = known_method(request.method().as_str());
            requests.count_unrouted(method, status, Duration::ZERO);
        }
        answer(app.clone(), refusal, request, peer)
    });
    let stream = ClientStream::new(stream, WRITE_DEADLINE, timer.arrivals());
    let connection = http1::Builder::new()
        .timer(timer)
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(HEAD_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(place);
    });
}

/// `refusal`: the status of a request that does not reach `app`.
async fn answer(
    app: Router,
    refusal: Option<StatusCode>,
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response, Infallible> {
    if let Some(status) = refusal {
        return Ok(last_on_connection(status.into_response()));
    }
    let (request, unread) = TrackedBody::watch(request);
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(Peer(peer));
    let response = app.oneshot(request).await?;
    let is_refusal = response.status().as_u16() >= 400;
    Ok(if is_refusal && unread.is_left() { last_on_connection(response) } else { response })
}

/// Closes the connection after this answer, because the rest of the body is not read.
fn last_on_connection(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
