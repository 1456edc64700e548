//! A scripted server: it answers each path as a test wants, or closes the connection, records
//! requests, and counts connections.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

const CHUNK: usize = 16 * 1024;

/// The answer at a path.
#[derive(Clone, Debug)]
pub enum Reply {
    Json(Value),
    /// A status, with the body `no`.
    Status(u16),
    /// A redirect with this status.
    Redirect(u16, String),
    /// The request is read, and the connection closed.
    HangUp,
    /// JSON without an end, as fast as the client reads it.
    Endless,
}

/// Dropping it stops it and cuts its connections.
pub struct Peer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// One recorded request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: String,
    pub body: String,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<HashMap<String, VecDeque<Reply>>>,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    sent: AtomicUsize,
}

impl Peer {
    pub async fn start() -> Self {
        Peer::bind((Ipv4Addr::LOCALHOST, 0).into(), None).await.expect("a free port")
    }

    /// The same with TLS.
    pub async fn with_tls(acceptor: TlsAcceptor) -> Self {
        Peer::bind((Ipv4Addr::LOCALHOST, 0).into(), Some(acceptor)).await.expect("a free port")
    }

    /// Listens at every address of this machine, for connections that must not be made.
    pub async fn trap() -> Self {
        match Peer::bind((Ipv6Addr::UNSPECIFIED, 0).into(), None).await {
            Ok(trap) => trap,
            Err(_) => {
                let address = (Ipv4Addr::UNSPECIFIED, 0).into();
                Peer::bind(address, None).await.expect("a free port")
            }
        }
    }

    async fn bind(address: SocketAddr, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let serving = tokio::spawn(serve(listener, tls, Arc::clone(&shared)));
        Ok(Peer { address, shared, serving })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port())
    }

    pub fn answer(&self, path: &str, reply: Reply) {
        self.answer_in_turn(path, [reply]);
    }

    /// The last reply is repeated.
    pub fn answer_in_turn(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        let mut all = self.shared.replies.lock().expect("whole replies");
        all.insert(path.to_owned(), replies.into_iter().collect());
    }

    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.shared.asked.lock().expect("whole requests");
        asked.iter().filter(|asked| asked.path == path).cloned().collect()
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The number of bytes sent of endless answers.
    pub fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut talks = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        talks.spawn(async move {
            match tls {
                None => talk(stream, &shared).await,
                Some(tls) => talk(tls.accept(stream).await?, &shared).await,
            }
        });
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) -> io::Result<()> {
    let asked = read(&mut stream).await?;
    let reply = shared.next_reply(&asked.path);
    shared.asked.lock().expect("whole requests").push(asked);
    match reply {
        Reply::Json(body) => write(&mut stream, 200, "", &body.to_string()).await?,
        Reply::Status(status) => write(&mut stream, status, "", "no").await?,
        Reply::Redirect(status, to) => {
            write(&mut stream, status, &format!("Location: {to}\r\n"), "").await?;
        }
        Reply::HangUp => {}
        Reply::Endless => flood(&mut stream, &shared.sent).await?,
    }
    stream.shutdown().await
}

impl Shared {
    fn next_reply(&self, path: &str) -> Reply {
        let mut all = self.replies.lock().expect("whole replies");
        let Some(replies) = all.get_mut(path) else { return Reply::Status(404) };
        match replies.len() {
            0 => Reply::Status(404),
            1 => replies[0].clone(),
            _ => replies.pop_front().unwrap_or(Reply::HangUp),
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Asked> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= length(head)
        {
            return Ok(asked(head, body));
        }
    }
}

fn length(head: &str) -> usize {
    let head = head.to_ascii_lowercase();
    let line = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    line.map_or(0, |length| length.trim().parse().expect("a length"))
}

fn asked(head: &str, body: &str) -> Asked {
    let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Asked {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers.to_owned(),
        body: body.to_owned(),
    }
}

async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    status: u16,
    headers: &str,
    body: &str,
) -> io::Result<()> {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n{headers}\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await
}

async fn flood(stream: &mut (impl AsyncWrite + Unpin), sent: &AtomicUsize) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"filler\": \"";
    stream.write_all(head.as_bytes()).await?;
    loop {
        stream.write_all(&[b'a'; CHUNK]).await?;
        sent.fetch_add(CHUNK, Ordering::SeqCst);
    }
}
