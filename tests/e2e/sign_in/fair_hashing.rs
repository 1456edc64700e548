//! The queue of password hashes: one address cannot fill it at the expense of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use propusk_server::config::Hashing;
use propusk_tests::limits::{ANY, limits, sign_in_from};
use propusk_tests::server::TestServer;
use propusk_tests::user::{PASSWORD, new_account};
use tokio::task::JoinSet;

/// Far more than any test needs.
const MANY: u32 = 1_000_000;

async fn server(are_limited: bool) -> TestServer {
    TestServer::with(|config| {
        config.limits = limits(MANY, MANY, ANY);
        config.limits.enabled = are_limited;
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
        config.password = Hashing { memory_kib: 8_192, time: 2, threads: 1, queue: 16 };
    })
    .await
}

/// An address with twelve accounts, which signs in continuously from 48 clients.
struct Flood {
    clients: JoinSet<usize>,
    is_over: Arc<AtomicBool>,
}

impl Flood {
    async fn start(server: &TestServer) -> Self {
        for number in 0..12 {
            new_account(server, &format!("own{number}@example.com")).await;
        }
        let (mut clients, is_over) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for number in 0..48 {
            let (client, is_over) = (server.client.clone(), Arc::clone(&is_over));
            let email = format!("own{}@example.com", number % 12);
            clients.spawn(async move {
                let mut refused = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let status = sign_in_from(&client, "192.0.2.1", &email, PASSWORD).await;
                    refused += usize::from(status == 503);
                }
                refused
            });
        }
        Flood { clients, is_over }
    }

    /// The number of its requests that had to retry.
    async fn end(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.clients.join_all().await.into_iter().sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn address_with_many_sign_ins_does_not_delay_others() {
    let server = server(true).await;
    for number in 0..6 {
        new_account(&server, &format!("victim{number}@example.com")).await;
    }
    let flood = Flood::start(&server).await;
    for round in 0..3 {
        let mut victims = JoinSet::new();
        for number in 0..6 {
            let client = server.client.clone();
            victims.spawn(async move {
                let address = format!("198.51.100.{}", 10 * round + number);
                let email = format!("victim{number}@example.com");
                sign_in_from(&client, &address, &email, PASSWORD).await
            });
        }
        assert_eq!(victims.join_all().await, [200; 6]);
    }
    assert!(flood.end().await > 0, "the address was never limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_is_first_come_first_served_without_limits() {
    let server = server(false).await;
    new_account(&server, "anna@example.com").await;
    let flood = Flood::start(&server).await;
    let mut statuses = Vec::new();
    for number in 0..12 {
        let address = format!("198.51.100.{number}");
        statuses.push(sign_in_from(&server.client, &address, "anna@example.com", PASSWORD).await);
    }
    flood.end().await;
    assert!(statuses.contains(&503), "{statuses:?}");
}
