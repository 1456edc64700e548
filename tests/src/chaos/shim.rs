//! The network between a process and the server. It loses, repeats, delays and cuts messages, and
//! carries one exchange per connection.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::faults::Faults;
use super::life::EventSender;
use super::plan::MessageFault;

/// The refusal of a proxy.
const PROXY: &str = "HTTP/1.1 401 Unauthorized\r\ncontent-type: text/html\r\ncontent-length: 21\r\n\
                     connection: close\r\n\r\n<h1>Sign in here</h1>";

/// What a process has sent before it is suspended arrives within this time.
const DELIVERY_TIME: Duration = Duration::from_millis(100);

/// The state that all shims of a run share.
pub(super) struct Network {
    pub server: SocketAddr,
    pub faults: Arc<Faults>,
    /// Delayed requests.
    pub late: Mutex<Vec<Vec<u8>>>,
}

impl Network {
    /// Delivers the delayed requests.
    pub async fn release(&self) {
        let late = std::mem::take(&mut *self.late.lock().unwrap_or_else(PoisonError::into_inner));
        for request in late {
            // The answer is dropped.
            let _ = self.ask(&request).await;
        }
    }

    async fn ask(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(self.server).await?;
        server.write_all(request).await?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

/// The connection of one process to the server.
pub(super) struct Shim {
    pub address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Shim {
    pub async fn open(network: Arc<Network>, event_sender: EventSender) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (network, event_sender) = (Arc::clone(&network), event_sender.clone());
                tokio::spawn(async move {
                    // Errors of the connection are part of the test.
                    let _ = carry(client, &network, &event_sender).await;
                });
            }
        });
        Ok(Shim { address, accepting })
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(
    mut client: TcpStream,
    network: &Network,
    event_sender: &EventSender,
) -> io::Result<()> {
    let Some(mut begun) = Begun::read(&mut client).await? else { return Ok(()) };
    if network.faults.stops_before_send() {
        return stop_before_send(client, begun, network, event_sender).await;
    }
    let Some(request) = begun.whole(&mut client).await? else { return Ok(()) };
    let fault = network.faults.message();
    let answer = match fault {
        Some(MessageFault::DropRequest) => return Ok(()),
        Some(MessageFault::CrashBeforeSend) => return event_sender.kill().await,
        Some(MessageFault::Proxy) => PROXY.into(),
        Some(MessageFault::LateRequest) => {
            network.late.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            return wait_until_gone(&mut client).await;
        }
        Some(MessageFault::CutRequest) => {
            let mut server = TcpStream::connect(network.server).await?;
            return server.write_all(&request[..request.len() / 2]).await;
        }
        Some(MessageFault::TwiceSecond) => {
            network.ask(&request).await?;
            network.ask(&request).await?
        }
        Some(MessageFault::TwiceFirst) => {
            let first = network.ask(&request).await?;
            network.ask(&request).await?;
            first
        }
        _ => network.ask(&request).await?,
    };
    match fault {
        Some(MessageFault::DropAnswer) => Ok(()),
        Some(MessageFault::CrashAfterSend) => event_sender.kill().await,
        Some(MessageFault::StopAfterSend) => {
            let mut notified = event_sender.stop();
            match (notified.recv().await, notified.recv().await) {
                (Some(()), Some(())) => client.write_all(&answer).await,
                _ => Ok(()),
            }
        }
        Some(MessageFault::LateAnswer) => wait_until_gone(&mut client).await,
        Some(MessageFault::CutAnswer) => client.write_all(&answer[..answer.len() / 2]).await,
        _ => client.write_all(&answer).await,
    }
}

/// Suspends the process when its connection is open. What it has not sent by then, it sends after
/// it is resumed, if it still wants to.
async fn stop_before_send(
    mut client: TcpStream,
    mut begun: Begun,
    network: &Network,
    event_sender: &EventSender,
) -> io::Result<()> {
    let mut notified = event_sender.stop();
    if notified.recv().await.is_none() {
        return Ok(());
    }
    let early = timeout(DELIVERY_TIME, begun.whole(&mut client)).await;
    let answer = match early {
        Ok(Ok(Some(request))) => Some(network.ask(&request).await?),
        _ => None,
    };
    if notified.recv().await.is_none() {
        return Ok(());
    }
    let answer = match answer {
        Some(answer) => answer,
        None => match begun.whole(&mut client).await? {
            Some(request) => network.ask(&request).await?,
            None => return Ok(()),
        },
    };
    client.write_all(&answer).await
}

/// Reads one whole request and adds `Connection: close`.
pub(crate) async fn read_request(client: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    match Begun::read(client).await? {
        Some(mut begun) => begun.whole(client).await,
        None => Ok(None),
    }
}

/// A request whose head has arrived.
struct Begun {
    read: Vec<u8>,
    head: usize,
}

impl Begun {
    async fn read(client: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut read = Vec::new();
        loop {
            if let Some(head) = read.windows(4).position(|end| end == b"\r\n\r\n") {
                return Ok(Some(Begun { read, head }));
            }
            if client.read_buf(&mut read).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The request with its body, once that has arrived. It can be called again after it was
    /// cancelled.
    async fn whole(&mut self, client: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
        let Begun { read, head } = self;
        let text = String::from_utf8_lossy(&read[..*head]).into_owned();
        let length = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, length)| length.trim().parse::<usize>().ok())
            .unwrap_or(0);
        while read.len() < *head + 4 + length {
            if client.read_buf(read).await? == 0 {
                return Ok(None);
            }
        }
        let mut request = format!("{text}\r\nconnection: close\r\n\r\n").into_bytes();
        request.extend_from_slice(&read[*head + 4..]);
        Ok(Some(request))
    }
}

async fn wait_until_gone(client: &mut TcpStream) -> io::Result<()> {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.map(|_| ())
}
