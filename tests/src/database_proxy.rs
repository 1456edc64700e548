//! A proxy to Postgres that can lose packets like a firewall: connections stay open, but nothing
//! arrives any more. It also counts the round trips: what the client sends that the server answers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

/// The types of the client's messages that the server answers at once: `Sync` and `Query`.
const ASKING: [u8; 2] = [b'S', b'Q'];
/// The length of a message, which counts itself.
const LENGTH: usize = 4;
/// The code of a request for TLS, after which the client sends its first message again.
const TLS_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();

/// What happens to the open connections.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Fate {
    Lost,
    Cut,
}

#[derive(Default)]
struct Seen {
    round_trips: AtomicUsize,
    /// The next statement with this text is lost, and its connection ends.
    lost_statement: Mutex<Option<&'static str>>,
}

pub struct DatabaseProxy {
    address: SocketAddr,
    seen: Arc<Seen>,
    /// The connections up to this number, and their fate.
    fate: watch::Sender<(usize, Fate)>,
    opened: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl DatabaseProxy {
    /// Opens a proxy to the server of this URL.
    pub async fn open(database_url: &str) -> Self {
        DatabaseProxy::open_at(SocketAddr::from(([127, 0, 0, 1], 0)), database_url).await
    }

    pub async fn open_at(address: SocketAddr, database_url: &str) -> Self {
        let url = Url::parse(database_url).expect("a URL");
        let host = url.host_str().expect("a host").to_owned();
        let database = (host, url.port().unwrap_or(5432));
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (seen, opened) = (Arc::<Seen>::default(), Arc::<AtomicUsize>::default());
        let (fate, fates) = watch::channel((0, Fate::Cut));
        let accepting = tokio::spawn({
            let (seen, opened) = (Arc::clone(&seen), Arc::clone(&opened));
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let number = opened.fetch_add(1, Ordering::SeqCst) + 1;
                    let (database, fates) = (database.clone(), fates.clone());
                    let seen = Arc::clone(&seen);
                    tokio::spawn(async move {
                        if let Ok(server) = TcpStream::connect(database).await {
                            carry(client, server, number, fates, &seen).await;
                        }
                    });
                }
            }
        });
        DatabaseProxy { address, seen, fate, opened, accepting }
    }

    /// The URL of the same database through the proxy.
    pub fn url(&self, database_url: &str) -> String {
        let mut url = Url::parse(database_url).expect("a URL");
        url.set_host(Some("127.0.0.1")).expect("a host");
        url.set_port(Some(self.address.port())).expect("a port");
        url.into()
    }

    /// From now on nothing arrives on the open connections; new ones work.
    pub fn lose_open_connections(&self) {
        self.fate.send_replace((self.opened.load(Ordering::SeqCst), Fate::Lost));
    }

    /// Ends the open connections, as a restart of the database does.
    pub fn cut_open_connections(&self) {
        self.fate.send_replace((self.opened.load(Ordering::SeqCst), Fate::Cut));
    }

    /// Drops the next statement with this text, and ends its connection.
    pub fn lose_statement(&self, text: &'static str) {
        *self.seen.lost_statement.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    /// How often the client has sent something and waits for the answer.
    pub fn round_trips(&self) -> usize {
        self.seen.round_trips.load(Ordering::SeqCst)
    }
}

impl Drop for DatabaseProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(
    client: TcpStream,
    server: TcpStream,
    number: usize,
    mut fates: watch::Receiver<(usize, Fate)>,
    seen: &Seen,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut messages = Messages::default();
    let asked = pass(&mut from_client, &mut to_server, |bytes| {
        seen.round_trips.fetch_add(messages.count_asking(bytes), Ordering::SeqCst);
        !seen.is_lost(bytes)
    });
    let answered = pass(&mut from_server, &mut to_client, |_| true);
    let fate = async {
        let met = fates.wait_for(|(last, _)| number <= *last).await;
        // The sender is gone: the test is over.
        met.map_or(Fate::Cut, |met| met.1)
    };
    let fate = tokio::select! {
        fate = fate => fate,
        () = asked => Fate::Cut,
        () = answered => Fate::Cut,
    };
    if fate == Fate::Lost {
        // The sockets stay open, but nothing reads or writes.
        std::future::pending::<()>().await;
    }
}

impl Seen {
    fn is_lost(&self, bytes: &[u8]) -> bool {
        let mut lost = self.lost_statement.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let is_meant = lost.is_some_and(has);
        is_meant && lost.take().is_some()
    }
}

/// The messages of a client, which arrive in pieces.
#[derive(Default)]
struct Messages {
    /// Type, length and, of the first message, its code.
    head: Vec<u8>,
    /// What is left of a message whose head is known.
    rest: usize,
    has_begun: bool,
}

impl Messages {
    /// How many messages in these bytes ask for an answer.
    fn count_asking(&mut self, mut bytes: &[u8]) -> usize {
        let mut asking = 0;
        while !bytes.is_empty() {
            if self.rest > 0 {
                let known = self.rest.min(bytes.len());
                self.rest -= known;
                bytes = &bytes[known..];
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            // The first message has no type, but a code behind its length.
            let (before, whole) = if self.has_begun { (1, 1 + LENGTH) } else { (0, 2 * LENGTH) };
            if self.head.len() < whole {
                continue;
            }
            let length = &self.head[before..before + LENGTH];
            let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
            self.rest = before + usize::try_from(length).expect("a length") - whole;
            if self.has_begun {
                asking += usize::from(ASKING.contains(&self.head[0]));
            } else {
                self.has_begun = self.head[LENGTH..] != TLS_REQUEST;
            }
            self.head.clear();
        }
        asking
    }
}

/// Copies bytes until the connection ends or `may_pass` refuses them.
async fn pass(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut may_pass: impl FnMut(&[u8]) -> bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if !may_pass(&buffer[..length]) || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
