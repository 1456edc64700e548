//! A proxy to Postgres that can lose packets like a firewall: connections stay open, but nothing
//! arrives any more. It also counts the round trips to the database.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

/// The server's message that everything is answered, `ReadyForQuery`, without its last byte.
const READY: &[u8] = b"Z\0\0\0\x05";

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

    /// How often the database has answered everything that was sent.
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
    let asked = pass(&mut from_client, &mut to_server, |bytes| !seen.is_lost(bytes));
    let answered = pass(&mut from_server, &mut to_client, |bytes| seen.count(bytes));
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
        let is_meant = lost.is_some_and(|text| occurrences(bytes, text.as_bytes()) > 0);
        is_meant && lost.take().is_some()
    }

    fn count(&self, bytes: &[u8]) -> bool {
        self.round_trips.fetch_add(occurrences(bytes, READY), Ordering::SeqCst);
        true
    }
}

fn occurrences(bytes: &[u8], text: &[u8]) -> usize {
    bytes.windows(text.len()).filter(|window| *window == text).count()
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
