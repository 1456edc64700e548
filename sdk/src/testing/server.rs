//! The fake server: its API for tests, and its connections.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use propusk_wire::{Secret, Session};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::answer::{Answer, Plan};
use super::records::StoredAccount;
use super::reply::Reply;
use super::routes;
use super::script::{HeldRequest, ReceivedRequest, Script, Step};
use super::store::Store;
use crate::account::MailedLink;
use crate::client::{Client, ClientBuilder};
use crate::clock::Clock;

/// The initial time of every server: the first second of 2026.
const START: i64 = 1_767_225_600;

/// A fake of Propusk's own API at a free port of this machine, in memory. For an app it behaves
/// like the real server: access tokens are valid for 900 s, refresh tokens rotate, and a lost
/// answer to a refresh can be requested again. Its clock moves only with
/// [`advance`](Self::advance).
///
/// A request is answered by the first of these that matches: an answer for the next request
/// ([`answer_next`](Self::answer_next), [`hold_next`](Self::hold_next)), an answer for all requests
/// ([`answer_always`](Self::answer_always), [`answer_signed_in`](Self::answer_signed_in)), the API
/// itself, or 404.
///
/// Dropping it closes the port and all connections.
pub struct FakeServer {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    url: String,
    clock: Clock,
    store: Mutex<Store>,
    script: Mutex<Script>,
    is_online: watch::Sender<bool>,
}

impl FakeServer {
    /// Starts a server at a free port of `127.0.0.1`, without accounts.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled, or if there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("the address of the port"));
        let clock = Clock::manual(START);
        let shared = Arc::new(Shared {
            store: Mutex::new(Store::new(clock.clone(), url.clone())),
            url,
            clock,
            script: Mutex::default(),
            is_online: watch::Sender::new(true),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        FakeServer { shared, accepting }
    }

    /// The address, such as `http://127.0.0.1:49152`. Paths of the app's own API are below it too.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// A builder for a client of this server, with the server's clock. The session is in memory
    /// unless the client gets a vault, such as that of a [`FailingVault`](super::FailingVault).
    pub fn builder(&self) -> ClientBuilder {
        Client::builder(self.url()).clock(self.clock())
    }

    /// A client of this server that keeps its session in memory.
    ///
    /// # Panics
    /// If TLS cannot be set up on this system.
    pub fn client(&self) -> Client {
        self.builder().build().expect("a client of the fake server")
    }

    /// The clock of the server and its [clients](Self::builder). It starts in the first second of
    /// 2026. For a device with a wrong clock, pass another one to [`ClientBuilder::clock`].
    pub fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }

    /// Moves the clock of the server and its clients forward, in whole seconds, without waiting.
    /// Access tokens expire after 900 s, sessions after 60 days without a refresh, a browser
    /// sign-in after ten minutes, and its code after one minute.
    pub fn advance(&self, by: Duration) {
        let seconds = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        self.shared.clock.set(self.shared.clock.now().saturating_add(seconds));
    }

    /// Adds an account with this password and a verified address.
    ///
    /// # Panics
    /// If the address belongs to another account.
    pub fn add_account(&self, email: &str, password: impl Into<Secret>) {
        let mut store = self.store();
        assert!(store.account_by_email(email).is_none(), "there is an account of {email}");
        let id = store.insert_account(StoredAccount {
            email: Some(email.to_owned()),
            email_verified: true,
            password: Some(password.into()),
            ..StoredAccount::default()
        });
        store.note_by_operator(id, "registered");
    }

    /// Suspends an account. Its requests are refused as
    /// [`account_inactive`](crate::ProblemCode::AccountInactive), and its clients are signed out at
    /// their next refresh.
    ///
    /// # Panics
    /// If the account does not exist. This applies to all functions here that take an address.
    pub fn suspend(&self, email: &str) {
        let id = self.change(email, |account| account.is_suspended = true);
        self.store().note_by_operator(id, "disabled");
    }

    /// Activates an account that was [suspended](Self::suspend) or that waits for its activation.
    ///
    /// # Panics
    /// If the account does not exist.
    pub fn enable(&self, email: &str) {
        let id =
            self.change(email, |account| (account.is_suspended, account.is_new) = (false, false));
        self.store().note_by_operator(id, "enabled");
    }

    /// Deletes an account and ends its sessions.
    ///
    /// # Panics
    /// If the account does not exist.
    pub fn delete_account(&self, email: &str) {
        let mut store = self.store();
        let account = id_of(&store, email);
        store.delete_account(account);
    }

    /// Confirms an address, as if the user had opened the mailed link. A pending address replaces
    /// the old one.
    ///
    /// # Panics
    /// If no account has this address or has it pending.
    pub fn confirm_email(&self, email: &str) {
        let mut store = self.store();
        let waits = |account: &StoredAccount| account.pending_email.as_deref() == Some(email);
        match store.accounts.iter_mut().find(|(_, account)| waits(account)) {
            Some((id, account)) => {
                account.email = account.pending_email.take();
                account.email_verified = true;
                let id = *id;
                store.note(id, "names_changed", Some("email_confirmed"));
            }
            None => {
                drop(store);
                self.change(email, |account| account.email_verified = true);
            }
        }
    }

    /// From now on, accounts that register with an e-mail address must be activated. See
    /// [`mailed_link`](Self::mailed_link).
    pub fn require_activation(&self) {
        self.store().awaits_activation = true;
    }

    /// The newest valid link that was mailed to this address, for an activation or a password
    /// reset. It works once.
    pub fn mailed_link(&self, email: &str) -> Option<MailedLink> {
        self.store().link_in_mailbox(email)
    }

    /// The sessions of an account that have not ended, the last used first. None is marked as
    /// current.
    ///
    /// # Panics
    /// If the account does not exist.
    pub fn sessions(&self, email: &str) -> Vec<Session> {
        let store = self.store();
        store.sessions_of(id_of(&store, email), None)
    }

    /// Ends one session, as if the user did it on another device.
    ///
    /// # Panics
    /// If the session does not exist.
    pub fn end_session(&self, id: &str) {
        let is_known = self.store().end(id, "signed_out_elsewhere");
        assert!(is_known, "there is no session of this id");
    }

    /// Ends all sessions of an account.
    ///
    /// # Panics
    /// If the account does not exist.
    pub fn end_sessions(&self, email: &str) {
        let mut store = self.store();
        let account = id_of(&store, email);
        store.end_sessions_of(account, None, "signed_out_elsewhere");
    }

    /// Revokes all access tokens that were issued so far: they get 401, also at the app's own
    /// paths. Sessions continue: the next refresh returns a valid token.
    pub fn revoke_access_tokens(&self) {
        for token in self.store().access_tokens.values_mut() {
            token.is_revoked = true;
        }
    }

    /// Answers the next request with this method and path (such as `/propusk/v1/sessions`, without
    /// a query). Another call applies to the request after that.
    pub fn answer_next(&self, method: &str, path: &str, answer: Answer) {
        self.script().answer_next(method, path, answer);
    }

    /// Answers all requests with this method and path, until it is called again: for the app's own
    /// API. Access tokens are not checked.
    pub fn answer_always(&self, method: &str, path: &str, answer: Answer) {
        self.script().answer_always(method, path, answer, false);
    }

    /// As [`answer_always`](Self::answer_always), but only for requests with a valid access token.
    /// A request gets 401 if its token is missing, has expired, was
    /// [revoked](Self::revoke_access_tokens) or belongs to an ended session, and 403 if the account
    /// is suspended.
    pub fn answer_signed_in(&self, method: &str, path: &str, answer: Answer) {
        self.script().answer_always(method, path, answer, true);
    }

    /// Holds back the next request with this method and path until the test lets it continue.
    pub fn hold_next(&self, method: &str, path: &str) -> HeldRequest {
        self.script().hold_next(method, path)
    }

    /// Simulates a lost network: open connections are cut, and new ones are closed at once.
    pub fn offline(&self) {
        self.shared.is_online.send_replace(false);
    }

    /// Restores the network. As in an app, a client that waits for a retry learns of it with
    /// [`Client::network_changed`].
    pub fn online(&self) {
        self.shared.is_online.send_replace(true);
    }

    /// All requests so far, the first one first, including those that the script answered or that
    /// got no answer. Requests while [offline](Self::offline) are not included.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.script().seen.clone()
    }

    /// The number of requests with this method and path.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let is_it = |seen: &&ReceivedRequest| seen.method() == method && seen.path() == path;
        self.script().seen.iter().filter(is_it).count()
    }

    /// Forgets the requests so far, so that a test counts from here.
    pub fn forget_requests(&self) {
        self.script().seen.clear();
    }

    /// Changes an account and returns its id.
    fn change(&self, email: &str, change: impl FnOnce(&mut StoredAccount)) -> i64 {
        let mut store = self.store();
        let id = id_of(&store, email);
        if let Some(account) = store.accounts.get_mut(&id) {
            change(account);
        }
        id
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.shared.store)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        lock(&self.shared.script)
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for FakeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeServer").field("url", &self.url()).finish_non_exhaustive()
    }
}

fn id_of(store: &Store, email: &str) -> i64 {
    match store.account_by_email(email) {
        Some(id) => id,
        None => panic!("there is no account of {email}"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, which closes all connections.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted && *shared.is_online.borrow() {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut is_online = shared.is_online.subscribe();
    let service = service_fn(move |request| respond(Arc::clone(&shared), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        biased;
        _ = is_online.wait_for(|is_online| !is_online) => {}
        // A request without an answer ends the connection with an expected error.
        _ = connection => {}
    }
}

/// No answer: the connection is closed.
#[derive(Debug)]
struct Unanswered;

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request is not answered")
    }
}

impl std::error::Error for Unanswered {}

async fn respond(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Unanswered> {
    let request = ReceivedRequest::read(request).await.map_err(|_| Unanswered)?;
    let step = lock(&shared.script).receive(request.clone());
    let answer = match step {
        Some(Step::Answer(answer)) => Some(answer),
        Some(Step::Hold(gate)) => gate.pass().await,
        Some(Step::SignedIn(answer)) => match lock(&shared.store).sender(&request) {
            Ok(_) => Some(answer),
            Err(refusal) => Some(Answer(Plan::Reply(refusal.into()))),
        },
        None => None,
    };
    Ok(shared.reply(answer, &request)?.sent_at(shared.clock.now()))
}

impl Shared {
    fn reply(
        &self,
        answer: Option<Answer>,
        request: &ReceivedRequest,
    ) -> Result<Reply, Unanswered> {
        match answer.map(|answer| answer.0) {
            None => Ok(routes::answer(&mut lock(&self.store), request)),
            Some(Plan::Reply(reply)) => Ok(reply),
            Some(Plan::Closed) => Err(Unanswered),
            Some(Plan::Lost) => {
                routes::answer(&mut lock(&self.store), request);
                Err(Unanswered)
            }
        }
    }
}
