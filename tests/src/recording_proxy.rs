//! A proxy to a server that records every request, and can hold some back, answer them itself, or
//! drop them: one, or all while the network is down.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::chaos::read_request;

/// A proxy to one server.
pub struct RecordingProxy {
    pub address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    server: SocketAddr,
    seen: Mutex<Vec<Seen>>,
    /// The answers for the next requests to a path; `None`: the connection is closed.
    instead: Mutex<VecDeque<(String, Option<String>)>>,
    /// Requests wait here while they are held.
    gate: Semaphore,
    /// The same for answers.
    answer_gate: Semaphore,
    /// The only request whose answer is held; `None`: all.
    held_answer: Mutex<Option<String>>,
    /// The requests that the server has answered.
    answered: Mutex<Vec<String>>,
    /// Whether every connection is closed at once.
    is_down: AtomicBool,
    /// The requests whose clients closed the connection while they were held.
    dropped: watch::Sender<Vec<String>>,
}

/// A recorded request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// `POST /path`, without its query.
    pub what: String,
    pub authorization: Option<String>,
    pub user_agent: Option<String>,
    /// The whole request.
    pub text: String,
}

impl RecordingProxy {
    pub async fn open(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State {
            server,
            seen: Mutex::default(),
            instead: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            answer_gate: Semaphore::new(Semaphore::MAX_PERMITS),
            held_answer: Mutex::default(),
            answered: Mutex::default(),
            is_down: AtomicBool::new(false),
            dropped: watch::Sender::default(),
        });
        let accepting = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let state = Arc::clone(&state);
                    // Some tests are about clients that close the connection early.
                    tokio::spawn(async move { drop(carry(client, &state).await) });
                }
            }
        });
        RecordingProxy { address, state, accepting }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    /// How many requests had this method and path.
    pub fn count(&self, what: &str) -> usize {
        self.seen().iter().filter(|seen| seen.what == what).count()
    }

    pub fn forget(&self) {
        lock(&self.state.seen).clear();
    }

    /// Answers the next request to this method and path with these bytes, or not at all; the server
    /// does not get it.
    pub fn answer(&self, what: &str, with: Option<&str>) {
        lock(&self.state.instead).push_back((what.to_owned(), with.map(str::to_owned)));
    }

    /// Holds all requests back until [`release`](Self::release).
    pub fn hold(&self) {
        self.state.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub fn release(&self) {
        self.state.gate.add_permits(Semaphore::MAX_PERMITS);
    }

    /// Holds the server's answers back until [`release_answers`](Self::release_answers).
    pub fn hold_answers(&self) {
        *lock(&self.state.held_answer) = None;
        self.state.answer_gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// The same for answers to this method and path alone.
    pub fn hold_answers_to(&self, what: &str) {
        self.hold_answers();
        *lock(&self.state.held_answer) = Some(what.to_owned());
    }

    pub fn release_answers(&self) {
        self.state.answer_gate.add_permits(Semaphore::MAX_PERMITS);
    }

    /// Waits until the server has answered a request with this method and path.
    pub async fn wait_for_answer(&self, what: &str) {
        while !lock(&self.state.answered).iter().any(|answered| answered == what) {
            tokio::task::yield_now().await;
        }
    }

    /// Takes the network down or up. While it is down, nothing is recorded.
    pub fn set_down(&self, is_down: bool) {
        self.state.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Waits until the client of a held request with this method and path closes the connection.
    pub async fn wait_for_drop(&self, what: &str) {
        let mut dropped = self.state.dropped.subscribe();
        let is_dropped = dropped.wait_for(|dropped| dropped.iter().any(|seen| seen == what));
        is_dropped.await.expect("the proxy is open");
    }

    /// Waits until a request with this method and path arrives.
    pub async fn wait_for(&self, what: &str) {
        while self.count(what) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for RecordingProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(mut client: TcpStream, state: &State) -> std::io::Result<()> {
    if state.is_down.load(Ordering::SeqCst) {
        return Ok(());
    }
    let Some(request) = read_request(&mut client).await? else { return Ok(()) };
    let text = String::from_utf8_lossy(&request).into_owned();
    let seen = seen_in(&text);
    let what = seen.what.clone();
    lock(&state.seen).push(seen);
    let _passes = tokio::select! {
        Ok(passes) = state.gate.acquire() => passes,
        // A client that waits for its answer sends nothing.
        _ = client.read_u8() => {
            state.dropped.send_modify(|dropped| dropped.push(what));
            return Ok(());
        }
    };
    let instead = {
        let mut instead = lock(&state.instead);
        let at = instead.iter().position(|(meant, _)| *meant == what);
        at.and_then(|at| instead.remove(at))
    };
    match instead {
        Some((_, None)) => Ok(()),
        Some((_, Some(answer))) => client.write_all(&last_on_connection(answer.as_bytes())).await,
        None => {
            let mut server = TcpStream::connect(state.server).await?;
            server.write_all(&request).await?;
            let mut answer = Vec::new();
            server.read_to_end(&mut answer).await?;
            let is_held = lock(&state.held_answer).as_ref().is_none_or(|held| *held == what);
            lock(&state.answered).push(what);
            let _passes = match is_held {
                true => state.answer_gate.acquire().await.ok(),
                false => None,
            };
            client.write_all(&last_on_connection(&answer)).await
        }
    }
}

/// The answer, from which its client learns that the connection ends with it. Django's development server
/// does not say so, and a client that has not seen the end yet would send its next request there.
fn last_on_connection(answer: &[u8]) -> Vec<u8> {
    let status_line = answer.windows(2).position(|end| end == b"\r\n").map_or(0, |end| end + 2);
    let (status_line, rest) = answer.split_at(status_line);
    let header: &[u8] = if status_line.is_empty() { b"" } else { b"Connection: close\r\n" };
    [status_line, header, rest].concat()
}

fn seen_in(text: &str) -> Seen {
    let mut lines = text.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
    let value = |header: &str| {
        let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(header));
        found.map(|(_, value)| (*value).to_owned())
    };
    let (authorization, user_agent) = (value("authorization"), value("user-agent"));
    let what = format!("{method} {path}");
    Seen { what, authorization, user_agent, text: text.to_owned() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
