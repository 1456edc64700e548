//! Completes a sign-in at a port of this machine (RFC 8252 section 7.3): listens until the browser
//! opens the link of this sign-in, answers with a page, and closes the port.

mod page;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use propusk_wire::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::deeplink::{self, Link};
use crate::error::{Error, ErrorKind, Result};
use crate::pkce::is_same;
use crate::redirect::RedirectUri;
use page::{Answer, Status};

/// The time limit for a connection to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for a client to read the answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause after the system has refused a connection, for example because no file descriptors are
/// left.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);
/// Browsers open more connections than they use. At most this many that have not sent their request
/// are kept.
const MAX_UNREAD_CONNECTIONS: usize = 64;
/// The limit including connections that are being answered; others wait in the system's queue.
const MAX_CONNECTIONS: usize = 4 * MAX_UNREAD_CONNECTIONS;
/// Room for the longest link and for the cookies of everything else on this machine's ports.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;

/// A port of this machine that waits for one sign-in. Dropping it closes the port.
///
/// ```no_run
/// use std::time::Duration;
///
/// use propusk::{Loopback, RedirectUri, Secret};
///
/// # async fn example(state: Secret) -> propusk::Result<()> {
/// let registered = RedirectUri::parse("http://127.0.0.1/signed-in")?;
/// let loopback = Loopback::bind(&registered).await?;
/// // Begin the sign-in with `loopback.redirect()`, and open the browser.
/// let link = loopback.wait(&state, Duration::from_secs(300)).await?;
/// // Complete the sign-in with this link.
/// # drop(link);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Loopback {
    listener: TcpListener,
    redirect: RedirectUri,
    address: SocketAddr,
}

impl Loopback {
    /// Listens at the host of a registered redirect, `http://127.0.0.1/…` or `http://[::1]/…`, and
    /// at a free port. The port of the redirect is ignored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for another redirect, or if there is no free port.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn bind(registered: &RedirectUri) -> Result<Self> {
        let Some(host) = registered.loopback_address() else {
            return Err(Error::usage("the redirect is not a loopback link"));
        };
        let no_port = |error| Error::because(ErrorKind::Usage, error);
        let listener = TcpListener::bind((host, 0)).await.map_err(no_port)?;
        let address = listener.local_addr().map_err(no_port)?;
        let redirect = RedirectUri::parse(&at(address, registered.as_str()))?;
        Ok(Loopback { listener, redirect, address })
    }

    /// The redirect to start the sign-in with: the registered one with the port.
    pub fn redirect(&self) -> &RedirectUri {
        &self.redirect
    }

    /// Waits for the browser and returns the link for the sign-in with this state. Other requests
    /// are refused and do not end the wait: other paths, states, hosts and methods. Dropping the
    /// future closes the port; so does the first result.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`] after the time limit: a closed browser cannot be detected.
    pub async fn wait(self, state: &Secret, limit: Duration) -> Result<String> {
        let context = Arc::new(CallbackContext {
            redirect: self.redirect,
            host: self.address.to_string(),
            state: state.clone(),
        });
        timeout(limit, serve(&self.listener, &context))
            .await
            .map_err(|_| Error::explained(ErrorKind::Cancelled, "no browser has returned in time"))
    }
}

/// The link with this address instead of its own host and port.
fn at(address: SocketAddr, loopback_link: &str) -> String {
    let behind_scheme = loopback_link.split_once("://").map_or("", |(_, rest)| rest);
    let tail = behind_scheme.find(['/', '?']).and_then(|at| behind_scheme.get(at..));
    format!("http://{address}{}", tail.unwrap_or_default())
}

async fn serve(listener: &TcpListener, context: &Arc<CallbackContext>) -> String {
    let (mut visits, mut connections) = (JoinSet::new(), OpenConnections::default());
    loop {
        tokio::select! {
            accepted = listener.accept(), if visits.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let (context, reader) = (Arc::clone(context), connections.begin());
                    visits.spawn(async move { context.receive(stream, reader).await });
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_RETRY_DELAY).await;
                }
            },
            Some(visit) = visits.join_next() => {
                if let Ok(Some(link)) = visit {
                    return link;
                }
            }
        }
    }
}

/// Connections that have not sent their request, the oldest first. Another program on this machine
/// that opens many and sends nothing must not block the browser.
#[derive(Default)]
struct OpenConnections(Vec<OpenConnection>);

/// Dropping it stops the reader.
struct OpenConnection {
    ends: oneshot::Sender<()>,
    has_sent: Arc<AtomicBool>,
}

/// The reader's side of an [`OpenConnection`].
struct RequestReader {
    ended: oneshot::Receiver<()>,
    has_sent: Arc<AtomicBool>,
}

impl OpenConnections {
    /// Adds a connection. If there are too many, the oldest one that has sent nothing is dropped,
    /// otherwise the oldest one.
    fn begin(&mut self) -> RequestReader {
        self.0.retain(|kept| !kept.ends.is_closed());
        if self.0.len() >= MAX_UNREAD_CONNECTIONS {
            let has_sent_nothing = |kept: &OpenConnection| !kept.has_sent.load(Ordering::Relaxed);
            self.0.remove(self.0.iter().position(has_sent_nothing).unwrap_or(0));
        }
        let (ends, ended) = oneshot::channel();
        let has_sent = Arc::new(AtomicBool::new(false));
        self.0.push(OpenConnection { ends, has_sent: Arc::clone(&has_sent) });
        RequestReader { ended, has_sent }
    }
}

impl RequestReader {
    /// The head of the request; `None` if it does not arrive in time.
    async fn head(self, stream: &mut TcpStream) -> Option<Vec<u8>> {
        tokio::select! {
            biased;
            head = timeout(REQUEST_TIMEOUT, read_head(stream, &self.has_sent)) => head.ok()?,
            _ = self.ended => None,
        }
    }
}

/// What all connections need to know.
struct CallbackContext {
    redirect: RedirectUri,
    /// The expected `Host` header. Another name belongs to a page whose domain resolves to this
    /// machine (DNS rebinding).
    host: String,
    state: Secret,
}

impl CallbackContext {
    /// The link, if this is the expected browser.
    async fn receive(&self, mut stream: TcpStream, reader: RequestReader) -> Option<String> {
        let head = reader.head(&mut stream).await?;
        let (answer, link) = self.answer(&head);
        // The link is returned even if the page cannot be sent.
        let _ =
            timeout(RESPONSE_TIMEOUT, respond(&mut stream, &answer.bytes(), link.is_some())).await;
        link
    }

    fn answer(&self, head: &[u8]) -> (Answer, Option<String>) {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let is_whole = match request.parse(head) {
            Ok(status) => status.is_complete(),
            Err(httparse::Error::TooManyHeaders) => return refused(Status::TooLarge),
            Err(_) => false,
        };
        match (request.method, request.path) {
            _ if head.len() > MAX_HEAD => refused(Status::TooLarge),
            _ if !is_whole || !self.has_expected_host(request.headers) => {
                refused(Status::BadRequest)
            }
            (Some("GET"), Some(target)) => {
                self.answer_to(target, accepted_languages(request.headers))
            }
            _ => refused(Status::MethodNotAllowed),
        }
    }

    fn answer_to(&self, target: &str, languages: &str) -> (Answer, Option<String>) {
        if !target.starts_with('/') {
            return refused(Status::BadRequest);
        }
        let link = format!("http://{}{target}", self.host);
        let (state, is_good) = match deeplink::parse(&link, std::slice::from_ref(&self.redirect)) {
            Link::Code { state, .. } => (state, true),
            Link::Failed { state, .. } => (state, false),
            Link::Malformed(_) => return refused(Status::BadRequest),
            Link::Unrelated => return refused(Status::NotFound),
        };
        if !is_same(state.expose(), self.state.expose()) {
            return refused(Status::BadRequest);
        }
        (Answer::page(is_good, languages), Some(link))
    }

    fn has_expected_host(&self, headers: &[httparse::Header<'_>]) -> bool {
        let mut hosts = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
        let first = hosts.next().is_some_and(|host| host.value == self.host.as_bytes());
        first && hosts.next().is_none()
    }
}

fn refused(status: Status) -> (Answer, Option<String>) {
    (Answer::empty(status), None)
}

fn accepted_languages<'h>(headers: &[httparse::Header<'h>]) -> &'h str {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case("accept-language"));
    header.and_then(|header| std::str::from_utf8(header.value).ok()).unwrap_or_default()
}

/// The request without its body, or its beginning if it is too long. `None` if the client closes
/// the connection first.
async fn read_head(stream: &mut TcpStream, has_sent: &AtomicBool) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(4096);
    while head.len() <= MAX_HEAD {
        let seen = head.len().saturating_sub(3);
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
        has_sent.store(true, Ordering::Relaxed);
        if head.get(seen..)?.windows(4).any(|end| end == b"\r\n\r\n") {
            return Some(head);
        }
    }
    Some(head)
}

/// Answers and closes the connection. The rest of the request is read first, because otherwise the
/// system may discard the answer. That is not needed for the expected browser, whose request is
/// complete.
async fn respond(stream: &mut TcpStream, answer: &[u8], is_last: bool) -> std::io::Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    let mut rest = [0; 4096];
    while !is_last && stream.read(&mut rest).await? > 0 {}
    Ok(())
}
