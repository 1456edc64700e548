//! Clients that register account after account, and a check that these accounts exist afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use propusk_tests::http::Client;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

const CLIENTS: usize = 32;
const PASSWORD: &str = "a fair password";

/// Many concurrent clients of one server, which may move to another address.
pub struct Load {
    clients: JoinSet<()>,
    server: watch::Sender<Client>,
    acknowledged: mpsc::UnboundedReceiver<Registered>,
    shared: Arc<Shared>,
}

/// An e-mail address whose registration was answered 201.
pub struct Registered {
    pub email: String,
    /// The request was sent after the outage.
    is_later: bool,
}

#[derive(Default)]
struct Shared {
    next: AtomicUsize,
    outage: AtomicBool,
    is_over: AtomicBool,
    stop: AtomicBool,
}

impl Load {
    /// `round` keeps the addresses of two loads apart.
    pub fn start(server: &Client, round: usize) -> Self {
        let (sender, acknowledged) = mpsc::unbounded_channel();
        let (server, place) = watch::channel(server.clone());
        let shared = Arc::new(Shared::default());
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(register(round, place.clone(), Arc::clone(&shared), sender.clone()));
        }
        Load { clients, server, acknowledged, shared }
    }

    /// Waits for `count` more registrations.
    pub async fn acknowledged(&mut self, count: usize) -> Vec<Registered> {
        let mut registered = Vec::new();
        while registered.len() < count {
            registered.push(self.acknowledged.recv().await.expect("the clients are at work"));
        }
        registered
    }

    /// From now on requests may fail.
    pub fn outage_begins(&self) {
        self.shared.outage.store(true, Ordering::SeqCst);
    }

    /// The server is back at this address; waits until `count` requests sent from now on have
    /// succeeded.
    pub async fn outage_ends(&mut self, server: &Client, count: usize) -> Vec<Registered> {
        self.server.send_replace(server.clone());
        self.shared.is_over.store(true, Ordering::SeqCst);
        let mut registered = Vec::new();
        while registered.iter().filter(|one: &&Registered| one.is_later).count() < count {
            registered.push(self.acknowledged.recv().await.expect("the clients are at work"));
        }
        registered
    }

    /// Lets the clients finish, and returns the remaining registrations.
    pub async fn stop(self) -> Vec<Registered> {
        let Load { mut clients, server, mut acknowledged, shared } = self;
        shared.stop.store(true, Ordering::SeqCst);
        // Wakes the clients that wait for the server's return.
        drop(server);
        while let Some(client) = clients.join_next().await {
            client.expect("a client saw only answers that it may see");
        }
        let mut registered = Vec::new();
        while let Some(one) = acknowledged.recv().await {
            registered.push(one);
        }
        registered
    }
}

/// Registers until stopped. Without an outage every request succeeds; during one it may fail with
/// an error that allows a retry, or without an answer.
async fn register(
    round: usize,
    mut place: watch::Receiver<Client>,
    shared: Arc<Shared>,
    acknowledged: mpsc::UnboundedSender<Registered>,
) {
    while !shared.stop.load(Ordering::SeqCst) {
        let email =
            format!("user{round}.{}@example.com", shared.next.fetch_add(1, Ordering::SeqCst));
        let is_later = shared.is_over.load(Ordering::SeqCst);
        let client = place.borrow_and_update().clone();
        let body = json!({"login": "user", "email": email, "password": PASSWORD});
        let outcome = client.try_post("/v1/creat_autor", &body).await;
        let in_outage = shared.outage.load(Ordering::SeqCst);
        match outcome {
            Ok(answer) if answer.status == 201 => {
                acknowledged.send(Registered { email, is_later }).expect("the test listens");
            }
            Ok(answer) => {
                assert!(
                    in_outage && answer.status.is_server_error(),
                    "{} {}",
                    answer.status,
                    answer.text()
                );
            }
            Err(error) => {
                assert!(in_outage, "{error}");
                if place.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Every acknowledged account can sign in.
pub async fn assert_all_sign_in(client: &Client, registered: &[Registered]) {
    assert!(!registered.is_empty());
    for Registered { email, .. } in registered {
        let answer = client.post("/token", &json!({"email": email, "password": PASSWORD})).await;
        assert_eq!(answer.status, 200, "{email} was acknowledged: {}", answer.text());
    }
}
