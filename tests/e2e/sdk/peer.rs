//! A server with one of the six APIs: ours, or the original Django.

use std::net::SocketAddr;

use propusk::{Client, ClientBuilder, Clock, Dialect, MailedLink, Operation, Registration};
use propusk_server::auth::NewClient;
use propusk_stand_in::{Provider, StandIn, User};
use propusk_tests::contract::Backdoor as _;
use propusk_tests::django::{self, Django, Stack};
use propusk_tests::links::Link;
use propusk_tests::providers;
use propusk_tests::server::TestServer;

use super::PASSWORD;

/// Longer than any access token is valid, except an OAuth token.
const LONG: i64 = 3_601;

pub struct Peer {
    pub dialect: Dialect,
    pub clock: Clock,
    server: Server,
}

enum Server {
    Ours(Box<(TestServer, StandIn)>),
    Django(Box<Django>),
}

impl Peer {
    pub async fn ours(dialect: Dialect) -> Self {
        let ours = TestServer::with_providers(|_| {}).await;
        let made = ours.0.auth.create_client(NewClient {
            id: django::CLIENT_ID.to_owned(),
            name: "An app".to_owned(),
            secret: Some(django::CLIENT_SECRET.to_owned()),
            is_public: false,
            allows_password: false,
            introspects: false,
        });
        assert!(made.await.expect("the database answers"));
        let clock = Clock::manual(ours.0.clock.now());
        Peer { dialect, clock, server: Server::Ours(Box::new(ours)) }
    }

    pub async fn django(stack: Stack) -> Self {
        let dialect = match stack {
            Stack::DjoserToken => Dialect::DjoserToken,
            Stack::Simplejwt => Dialect::Simplejwt,
            Stack::SimplejwtRotating => Dialect::SimplejwtRotating,
            Stack::DjoserJwt => Dialect::DjoserJwt,
        };
        let clock = Clock::manual(Clock::system().now());
        let django = Django::start(stack).await;
        Peer { dialect, clock, server: Server::Django(Box::new(django)) }
    }

    pub fn url(&self) -> String {
        match &self.server {
            Server::Ours(ours) => ours.0.public_url.clone(),
            Server::Django(django) => django.url.clone(),
        }
    }

    pub fn builder(&self) -> ClientBuilder {
        self.builder_at(self.url())
    }

    /// A builder for a client at this address.
    pub fn builder_at(&self, url: String) -> ClientBuilder {
        Client::builder(url)
            .dialect(self.dialect)
            .clock(self.clock.clone())
            .oauth_client(django::CLIENT_ID, django::CLIENT_SECRET)
    }

    pub fn has(&self, operation: Operation) -> bool {
        self.dialect.supports(operation)
    }

    /// The address of the server.
    pub fn address(&self) -> SocketAddr {
        match &self.server {
            Server::Ours(ours) => ours.0.address,
            Server::Django(django) => {
                let address = django.url.trim_start_matches("http://").trim_end_matches('/');
                address.parse().expect("an address of this machine")
            }
        }
    }

    /// Waits until the access token has expired, but not the refresh token.
    pub async fn expire_access(&self) {
        let seconds = match self.dialect {
            Dialect::Prehashed => LONG,
            Dialect::Native => 901,
            _ => 301,
        };
        self.advance(seconds).await;
    }

    /// Moves the clocks of the server and the device.
    pub async fn advance(&self, seconds: i64) {
        self.clock.set(self.clock.now() + seconds);
        match &self.server {
            Server::Ours(ours) => ours.0.clock.advance(seconds),
            Server::Django(django) => {
                django.set_on(self.clock.now() - Clock::system().now()).await;
            }
        }
    }

    /// A registration with the members that this API needs.
    pub fn registration(&self, name: &str, password: &str) -> Registration {
        let email = email(name);
        let new = Registration::new(password);
        match self.dialect {
            Dialect::Prehashed => new.email(email).phone(phone(name)),
            Dialect::Simplejwt => new.email(email).username(name),
            Dialect::SimplejwtRotating => new.email(email).display_name(name),
            _ => new.email(email),
        }
    }

    /// The identifier of an account.
    pub fn identifier(&self, name: &str) -> String {
        if self.dialect == Dialect::Simplejwt { name.to_owned() } else { email(name) }
    }

    /// The contents of the newest mailed link of an account.
    pub async fn mailed(&self, name: &str) -> MailedLink {
        let link = match &self.server {
            Server::Ours(ours) => ours.0.link_to(&email(name)).await,
            Server::Django(django) => {
                let letter = django.newest_to(&email(name)).expect("a mail");
                Link::of(&letter).expect("a link")
            }
        };
        let read = MailedLink::parse(&link.url).expect("a mailed link");
        assert_eq!((&read.uid, read.token.expose()), (&link.uid, &*link.token));
        read
    }

    /// Ours adopts the accounts of another system, until [`Peer::complete_adoption`].
    pub async fn open_adoption(&self) {
        self.ours_alone().adopt(&[]).await;
    }

    pub async fn complete_adoption(&self) {
        self.ours_alone().auth.complete_adoption().await.expect("the database answers");
    }

    /// Enables an account of ours again.
    pub async fn enable(&self, name: &str) {
        self.ours_alone().set_active(&email(name), true).await;
    }

    fn ours_alone(&self) -> &TestServer {
        match &self.server {
            Server::Ours(ours) => &ours.0,
            Server::Django(_) => panic!("only ours adopts accounts"),
        }
    }

    pub async fn suspend(&self, name: &str) {
        match &self.server {
            Server::Ours(ours) => ours.0.set_active(&email(name), false).await,
            Server::Django(django) => django.set_active(&self.identifier(name), false).await,
        }
    }

    /// An access token that a provider has issued to the app.
    pub fn provider_token(&self, name: &str) -> String {
        match &self.server {
            Server::Ours(ours) => {
                ours.1.access_token(Provider::Yandex, providers::CLIENT_ID, &User::new(name))
            }
            Server::Django(_) => format!("ok-{name}"),
        }
    }

    /// An active account.
    pub async fn account(&self, name: &str) {
        let client = self.builder().build().expect("a client");
        let new = self.registration(name, PASSWORD);
        if client.register(&new).await.expect("an account") != propusk::Registered::Active {
            client.activate(&self.mailed(name).await).await.expect("an activation");
        }
    }
}

fn email(name: &str) -> String {
    format!("{name}@example.org")
}

fn phone(name: &str) -> String {
    let number = name.bytes().fold(0_u32, |sum, byte| (sum * 31 + u32::from(byte)) % 10_000_000);
    format!("+7900{number:07}")
}
