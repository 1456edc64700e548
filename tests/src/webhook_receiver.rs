//! A service that receives webhooks: it hands every request to the test, and answers as the test
//! orders.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::chaos::read_request;

/// Longer than a busy machine takes to send one.
const PATIENCE: Duration = Duration::from_secs(60);
/// The path that it is configured with.
const PATH: &str = "/hooks/propusk";
/// The status line and further headers of an answer that accepts.
pub const ACCEPTED: &str = "204 No Content";

pub struct WebhookReceiver {
    pub url: String,
    answer: Arc<Mutex<String>>,
    received: mpsc::UnboundedReceiver<ReceivedWebhook>,
    accepting: JoinHandle<()>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct ReceivedWebhook {
    /// The value of `Propusk-Signature`.
    pub signature: String,
    pub body: String,
}

impl WebhookReceiver {
    /// Accepts every webhook until [`WebhookReceiver::answer_with`].
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}{PATH}", listener.local_addr().expect("its address"));
        let answer = Arc::new(Mutex::new(ACCEPTED.to_owned()));
        let (sender, received) = mpsc::unbounded_channel();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&answer), sender));
        WebhookReceiver { url, answer, received, accepting }
    }

    /// How the next requests are answered: a status, and headers in further lines.
    pub fn answer_with(&self, answer: &str) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer.to_owned();
    }

    /// The next webhook.
    pub async fn next(&mut self) -> ReceivedWebhook {
        let received = timeout(PATIENCE, self.received.recv()).await.expect("a webhook is sent");
        received.expect("the service runs")
    }
}

impl Drop for WebhookReceiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl ReceivedWebhook {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

async fn accept(
    listener: TcpListener,
    answer: Arc<Mutex<String>>,
    sender: mpsc::UnboundedSender<ReceivedWebhook>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(webhook) = serve(client, &answer).await {
            // An error means that the test is over.
            let _ = sender.send(webhook);
        }
    }
}

/// The webhook of one connection, answered; `None` if it was closed before.
async fn serve(mut client: TcpStream, answer: &str) -> Option<ReceivedWebhook> {
    let request = read_request(&mut client).await.ok()??;
    let request = String::from_utf8(request).expect("a request in UTF-8");
    assert!(request.starts_with(&format!("POST {PATH} HTTP/1.1\r\n")), "{request}");
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let signature = head.lines().find_map(|line| line.strip_prefix("propusk-signature: "));
    let webhook = ReceivedWebhook {
        signature: signature.expect("a signature").to_owned(),
        body: body.to_owned(),
    };
    let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(answer.as_bytes()).await.ok()?;
    Some(webhook)
}
