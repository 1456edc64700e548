//! The gateway between the SDK and its server: a reverse proxy on this machine. It records what is
//! exchanged, with secrets masked, and has the troubles of a network: it can be down, and it can
//! lose an answer.

mod curl;
mod exchange;
mod faults;
mod masking;
mod upstream;
mod wire;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

pub use exchange::Exchange;
pub use faults::Faults;
pub use wire::Wire;

use crate::time::now_in_milliseconds;
use exchange::{Answered, Asked};
use upstream::Upstream;

/// Headers that only browsers send. No page may use the gateway.
const OF_PAGES: [&str; 2] = ["origin", "sec-fetch-site"];
/// The largest request that is passed on, in bytes.
const MAX_REQUEST: usize = 1 << 20;

/// Why there is no gateway.
#[derive(Debug)]
pub enum GatewayError {
    /// No port of this machine could be opened.
    Port(std::io::Error),
    /// TLS or the HTTP client could not be set up.
    Http(String),
    /// It is not the address of a server.
    Address(String),
    /// No server answers.
    Silent(String),
}

impl fmt::Display for GatewayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GatewayError::Port(error) => {
                write!(f, "no port of this machine can be opened: {error}")
            }
            GatewayError::Http(error) => write!(f, "the HTTP client cannot be set up: {error}"),
            GatewayError::Address(why) => write!(f, "the address of the server {why}"),
            GatewayError::Silent(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for GatewayError {}

/// A gateway to one server; dropping it closes its port and its connections.
pub struct Gateway {
    address: SocketAddr,
    path: String,
    accepting: JoinHandle<()>,
}

impl Gateway {
    /// Opens a gateway to the server at the preferred port or, if that is taken, at a free one.
    ///
    /// # Errors
    ///
    /// If the address is not one of a server, or if there is no port.
    pub async fn open(
        server: &str,
        preferred_port: Option<u16>,
        wire: Arc<Wire>,
    ) -> Result<Self, GatewayError> {
        let upstream = Upstream::new(server)?;
        let listener = listen(preferred_port).await.map_err(GatewayError::Port)?;
        let address = listener.local_addr().map_err(GatewayError::Port)?;
        let path = upstream.server().path().trim_end_matches('/').to_owned();
        let context = Arc::new(Context { upstream, wire, host: address.to_string() });
        let accepting = tokio::spawn(accept(listener, context));
        Ok(Gateway { address, path, accepting })
    }

    /// The address for the SDK.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Whether this can be the address of a server: as the SDK sees it.
///
/// # Errors
///
/// If it is not.
pub fn check_server(address: &str) -> Result<Url, GatewayError> {
    upstream::server_of(address)
}

/// Asks whether a server is there; any answer will do.
///
/// # Errors
///
/// If there is no answer, or if it is not the address of a server.
pub async fn reach(server: &str) -> Result<(), GatewayError> {
    Upstream::new(server)?.answers().await.map_err(GatewayError::Silent)
}

async fn listen(preferred_port: Option<u16>) -> std::io::Result<TcpListener> {
    let at = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    match preferred_port {
        Some(port) => match at(port).await {
            Ok(listener) => Ok(listener),
            Err(_) => at(0).await,
        },
        None => at(0).await,
    }
}

struct Context {
    upstream: Upstream,
    wire: Arc<Wire>,
    /// The expected `Host`: a page whose name resolves to this machine has another.
    host: String,
}

async fn accept(listener: TcpListener, context: Arc<Context>) {
    // Dropped together with the gateway, which closes the connections.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&context)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, context: Arc<Context>) {
    let service = service_fn(move |request| {
        let context = Arc::clone(&context);
        async move { context.carry(request).await }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // It ends with an error whenever an answer is lost on purpose.
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection has ended");
    }
}

/// The connection is closed without an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is closed without an answer")
    }
}

impl std::error::Error for Cut {}

impl Context {
    async fn carry(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
        let (head, body) = request.into_parts();
        let is_for_us = head.headers.get(HOST).is_some_and(|host| host == self.host.as_str());
        let is_of_page = OF_PAGES.iter().any(|name| head.headers.contains_key(*name));
        if !is_for_us || is_of_page {
            return Err(Cut);
        }
        let (began, at) = (Instant::now(), now_in_milliseconds());
        let body = Limited::new(body, MAX_REQUEST).collect().await.map_err(|_| Cut)?.to_bytes();
        let asked = Asked { at, began, head, body };
        Underway { context: self, asked, is_logged: false }.carry().await
    }
}

/// A request until it is in the log. Hyper drops it if the client closes the connection first, such as at
/// the time limit of the SDK.
struct Underway<'c> {
    context: &'c Context,
    asked: Asked,
    is_logged: bool,
}

impl Underway<'_> {
    async fn carry(mut self) -> Result<Response<Full<Bytes>>, Cut> {
        let Context { upstream, wire, .. } = self.context;
        if wire.faults().is_offline() {
            return Err(self.cut(None, "the network is down: the request was not sent"));
        }
        let outcome = tokio::select! {
            outcome = upstream.send(&self.asked) => outcome,
            () = wire.faults().network_fails() => {
                Err("the network went down while the server was asked".to_owned())
            }
        };
        let answered = match outcome {
            Ok(answered) => answered,
            Err(error) => return Err(self.cut(None, &error)),
        };
        wire.learn_time(&answered.headers);
        if wire.faults().loses_this_answer() {
            let why = "the server has answered, and the answer was lost";
            return Err(self.cut(Some(answered), why));
        }
        let response = answered.to_response().ok_or(Cut)?;
        self.log(Some(answered), None);
        Ok(response)
    }

    fn cut(&mut self, answered: Option<Answered>, why: &str) -> Cut {
        self.log(answered, Some(why.to_owned()));
        Cut
    }

    fn log(&mut self, answered: Option<Answered>, error: Option<String>) {
        self.is_logged = true;
        let server = self.context.upstream.server();
        self.context.wire.add(|id| Exchange::of(id, server, &self.asked, answered, error));
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if !self.is_logged {
            self.cut(None, "the app closed the connection before the answer came");
        }
    }
}
