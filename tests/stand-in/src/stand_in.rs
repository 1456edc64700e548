//! The handle of a running stand-in, with which a test sets the behaviour of the providers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, MutexGuard};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::records::Grant;
use crate::serve::{Shared, State, serve};
use crate::{Behaviour, Endpoint, Provider, Request, User};
use crate::{app, authorize, google, mail_ru, provider, vk, yandex};

/// An application that is registered at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: String,
    /// `None` for a public client, which must use PKCE. VK has no client secrets.
    pub secret: Option<String>,
    /// Compared exactly. At Yandex a request without a redirect means the first one.
    pub redirects: Vec<String>,
}

/// How the user answers the question for consent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// Agrees at once.
    #[default]
    Grant,
    /// Refuses at once.
    Deny,
    /// Sees a page with the buttons Allow and Cancel.
    Ask,
}

/// All four providers on one port; dropping it stops them and cuts their connections.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl StandIn {
    /// Starts on any free port of 127.0.0.1.
    pub async fn start() -> io::Result<StandIn> {
        StandIn::bind((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    pub async fn bind(address: SocketAddr) -> io::Result<StandIn> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(StandIn { address, shared, server })
    }

    /// The URL of an endpoint: `http://127.0.0.1:PORT/vk/authorize`.
    pub fn url(&self, provider: Provider, endpoint: Endpoint) -> String {
        format!("http://{}{}", self.address, provider::path(provider, endpoint))
    }

    /// The redirect of an app that shows what it receives: `http://127.0.0.1:PORT/app`.
    pub fn app_url(&self) -> String {
        format!("http://{}{}", self.address, app::PATH)
    }

    /// Registers a client, or replaces the one of the same id.
    pub fn register(&self, provider: Provider, client: Client) {
        let mut state = self.state();
        let clients = &mut state.records(provider).clients;
        clients.retain(|known| known.id != client.id);
        clients.push(client);
    }

    /// The user at the browser; at first `User::new("greta")`.
    pub fn sign_in_as(&self, provider: Provider, user: User) {
        self.state().records(provider).user = user;
    }

    /// How the user answers; at first with consent.
    pub fn consent(&self, provider: Provider, consent: Consent) {
        self.state().records(provider).consent = consent;
    }

    /// Sets the behaviour of an endpoint until it is set again.
    pub fn behave(&self, provider: Provider, endpoint: Endpoint, behaviour: Behaviour) {
        self.state().records(provider).behaviours.insert(endpoint, behaviour);
    }

    /// All requests so far to any endpoint, the oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    pub fn forget_requests(&self) {
        self.state().requests.clear();
    }

    /// A live access token, as if just issued to that client with all scopes.
    pub fn access_token(&self, provider: Provider, client_id: &str, user: &User) -> String {
        let grant = whole_grant(provider, client_id, user);
        let prefix = match provider {
            Provider::Google => google::ACCESS,
            Provider::Vk => vk::ACCESS,
            Provider::Yandex => yandex::ACCESS,
            Provider::MailRu => mail_ru::ACCESS,
        };
        self.state().records(provider).issue_access(prefix, &grant)
    }

    /// A code, as if just issued to that client with all scopes; [`StandIn::device_id`] has the
    /// device of VK's code. Without a redirect the client's first one is used.
    pub fn code(
        &self,
        provider: Provider,
        client_id: &str,
        redirect_uri: Option<&str>,
        challenge: Option<&str>,
        user: &User,
    ) -> String {
        let grant = whole_grant(provider, client_id, user);
        let code = authorize::code(provider);
        let mut state = self.state();
        let records = state.records(provider);
        let first = records.client(client_id).and_then(|client| client.redirects.first());
        let sent_to = redirect_uri.or(first.map(String::as_str)).unwrap_or_default().to_owned();
        records.issue_code(code.clone(), grant, sent_to, challenge.map(str::to_owned));
        code
    }

    /// The device to which VK issued a code.
    pub fn device_id(&self, code: &str) -> Option<String> {
        self.state().records(Provider::Vk).device_id(code)
    }

    /// Expires all unspent codes.
    pub fn expire_codes(&self, provider: Provider) {
        self.state().records(provider).expire_codes();
    }

    /// From now on user info, and Google's tokeninfo, also accept the tokens of the recordings, as
    /// issued to that client: `ok-NAME` is a user with that name, `nomail-NAME` one without an
    /// address, `http-CODE` answers that status, `garbage-x` a page instead of JSON.
    pub fn take_oracle_tokens(&self, provider: Provider, client_id: &str) {
        self.state().records(provider).oracle = Some(client_id.to_owned());
    }

    /// Whether VK's callback has one parameter `payload` with JSON instead of separate ones.
    pub fn vk_payload(&self, payload: bool) {
        self.state().records(Provider::Vk).payload = payload;
    }

    /// Adds `iss` to the callback (RFC 9207), also to an error.
    pub fn callback_iss(&self, provider: Provider, iss: Option<String>) {
        self.state().records(provider).iss = iss;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn whole_grant(provider: Provider, client_id: &str, user: &User) -> Grant {
    Grant::new(client_id, user.clone(), authorize::rules(provider).whole_scope)
}
