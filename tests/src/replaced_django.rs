//! A server in the place of a Django that answers a part of an API: it hands every request to the test,
//! and answers as the test orders.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::chaos::read_request;

/// Longer than a busy machine takes to forward a request.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct ReplacedDjango {
    pub address: SocketAddr,
    answer: Answer,
    received: mpsc::UnboundedReceiver<String>,
    accepting: JoinHandle<()>,
}

/// The whole answer; `None`: there is none.
type Answer = Arc<Mutex<Option<String>>>;

impl ReplacedDjango {
    /// Answers `{"by": "django"}` until [`ReplacedDjango::answer_with`].
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let json = ["Content-Type: application/json"];
        let answer = Arc::new(Mutex::new(Some(whole("200 OK", &json, r#"{"by": "django"}"#))));
        let (sender, received) = mpsc::unbounded_channel();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&answer), sender));
        ReplacedDjango { address, answer, received, accepting }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How the next requests are answered; `None`: not at all, and the connection stays open.
    pub fn answer_with(&self, answer: Option<String>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// The next request: head and body.
    pub async fn next(&mut self) -> String {
        let received = timeout(PATIENCE, self.received.recv()).await.expect("a request arrives");
        received.expect("the server runs")
    }

    /// Whether no request has arrived that the test has not taken. A request that is forwarded arrives
    /// before its answer.
    pub fn is_idle(&mut self) -> bool {
        self.received.try_recv().is_err()
    }
}

impl Drop for ReplacedDjango {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// An answer with these header lines.
pub fn whole(status: &str, headers: &[&str], body: &str) -> String {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{lines}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

async fn accept(listener: TcpListener, answer: Answer, sender: mpsc::UnboundedSender<String>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(serve(client, Arc::clone(&answer), sender.clone()));
    }
}

async fn serve(mut client: TcpStream, answer: Answer, sender: mpsc::UnboundedSender<String>) {
    let Ok(Some(request)) = read_request(&mut client).await else { return };
    // An error means that the test is over.
    let _ = sender.send(String::from_utf8_lossy(&request).into_owned());
    let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match answer {
        Some(answer) => drop(client.write_all(answer.as_bytes()).await),
        // Until the other side gives up.
        None => drop(client.read(&mut [0]).await),
    }
}
