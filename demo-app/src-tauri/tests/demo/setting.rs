//! A server, a gateway to it, and a client that knows only the gateway.

use std::sync::Arc;
use std::time::Duration;

use propusk::{Client, Dialect, Registered, Registration, Vault};
use propusk_demo_lib::gateway::{Exchange, Gateway, Wire};
use propusk_tests::server::TestServer;
use propusk_tests::webdriver::PATIENCE;
use tokio::time::{interval, timeout};

pub const EMAIL: &str = "anna@example.com";
pub const PASSWORD: &str = "a quiet harbour at noon";

pub struct Setting {
    pub server: TestServer,
    pub wire: Arc<Wire>,
    pub gateway: Gateway,
    pub client: Client,
}

impl Setting {
    /// With a signed-in user.
    pub async fn signed_in(dialect: Dialect) -> Self {
        let server = TestServer::start().await;
        let address = format!("http://{}", server.address);
        Setting::signed_in_through(server, &address, dialect).await
    }

    /// The same, with a proxy between the gateway and the server.
    pub async fn signed_in_through(server: TestServer, proxy: &str, dialect: Dialect) -> Self {
        let wire = Arc::new(Wire::new(|_| {}));
        let gateway = Gateway::open(proxy, None, Arc::clone(&wire)).await.expect("a gateway");
        let builder = Client::builder(gateway.url()).dialect(dialect).vault(Vault::memory());
        let client = builder.build().expect("a client");
        let new = Registration::new(PASSWORD).email(EMAIL);
        let registered = client.register(&new).await.expect("registered");
        assert_eq!(registered, Registered::Active);
        client.sign_in(EMAIL, PASSWORD).await.expect("signed in");
        Setting { server, wire, gateway, client }
    }

    pub fn exchanges(&self) -> Vec<Exchange> {
        self.wire.exchanges_after(0)
    }

    pub fn last(&self) -> Exchange {
        self.exchanges().pop().expect("an exchange")
    }

    /// Waits for the first exchange after this one.
    pub async fn exchange_after(&self, id: u64) -> Exchange {
        let look = async || self.wire.exchanges_after(id).into_iter().next();
        wait_for("an exchange", look).await
    }

    pub async fn is_signed_in(&self) -> bool {
        self.client.status().await.expect("a status").is_signed_in()
    }
}

/// Looks again and again, for a limited time, until there is something.
pub async fn wait_for<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let mut looks = interval(Duration::from_millis(10));
    let found = timeout(PATIENCE, async {
        loop {
            looks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    });
    found.await.expect(what)
}
