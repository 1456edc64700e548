//! The server: binding, serving and shutting down.

use std::future::Future;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::accounts::{begin_numbers, create_superuser};
use super::apis;
use super::app::app;
use super::error::StartError;
use super::metrics::MetricsListener;
use super::parts::{
    auth_parts, changed_issuer, connections, database, database_url, load_keys, provider_problem,
    public_url,
};
use crate::app_links::AppLinks;
use crate::auth::Auth;
use crate::auth::{SecretError, ServerSecret};
use crate::clock::Clock;
use crate::config::{Config, MAX_FIRST_ID};
use crate::donor;
use crate::error::Error;
use crate::http::listen::{self, Connections};
use crate::http::requests::Requests;
use crate::mail::Mailer;
use crate::providers::Providers;
use crate::store::{self, Database, ServingLock, Store, StoreError};
use crate::webhook::Receiver;

/// How long the database may take to close.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// The pause between attempts to reach the database: the first, and the longest.
const DATABASE_PAUSE: Duration = Duration::from_millis(250);
const MAX_DATABASE_PAUSE: Duration = Duration::from_secs(5);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long mails under way may delay the end.
const MAIL_DEADLINE: Duration = Duration::from_secs(9);

/// A server that listens but does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    public_url: Arc<str>,
    connections: Connections,
    app: Router,
    requests: Requests,
    auth: Arc<Auth>,
    mailer: Arc<Mailer>,
    /// Where webhooks are sent, if anywhere.
    receiver: Option<Receiver>,
    /// Where unknown accounts are looked up, if anywhere.
    donor: Option<donor::Source>,
    /// The numbers of adopted accounts are below this one.
    numbers_end: i64,
    store: Store,
    metrics: Option<MetricsListener>,
    /// Prevents a second server on the same data.
    _lock: ServingLock,
}

impl Server {
    /// Opens the database (migrating it), loads keys and revocations, and listens.
    pub async fn bind(config: Config, clock: Clock) -> Result<Self, StartError> {
        config.check()?;
        let mut apis = apis::apis(&config)?;
        store::create_data_dir(&config.data_dir)?;
        let lock = store::lock_for_serving(database_url(&config), &config.data_dir)?;
        let store = open_with_retry(&database(&config)?).await?;
        let keys = load_keys(&config, &store).await?;
        let listen_failed = |error| StartError::Listen(config.listen, error);
        let listener = TcpListener::bind(config.listen).await.map_err(listen_failed)?;
        let address = listener.local_addr().map_err(listen_failed)?;
        let public_url = public_url(&config, address);
        let app_links = AppLinks::new(&config, &public_url)?;
        let mailer = open_mailer(&config, &public_url)?;
        let receiver = Receiver::new(&config.webhooks, &config.outbound)?;
        let donor = config.adopt.look_up.as_ref();
        let donor = donor.map(|url| donor::Source::new(url.expose(), config.adopt.clone()));
        let (donor, numbers_end) =
            (donor.transpose()?, config.accounts.first_id.unwrap_or(MAX_FIRST_ID));
        let providers = Providers::new(&config.providers, &config.outbound, &public_url)
            .map_err(provider_problem)?;
        apis::number(&mut apis, &store, &clock).await?;
        let policies = apis::policies(&apis);
        let (own_clock, own_store) = (clock.clone(), store.clone());
        let parts =
            auth_parts(&config, own_clock, own_store, &keys, providers, &public_url, policies)?;
        let auth = Auth::open(parts).await?;
        prepare(&auth, &keys, &store, &config).await?;
        let auth = Arc::new(auth);
        let requests = Requests::default();
        let metrics = MetricsListener::bind(&config.metrics, &auth, &store, &requests).await?;
        // Last: a start that fails has changed no setting of a server that runs.
        auth.note_settings(&config.exposed_values().map_err(Error::from)?).await?;
        Ok(Server {
            listener,
            address,
            app: app(&config, clock, &auth, &public_url, app_links, &requests, &apis),
            requests,
            metrics,
            public_url,
            connections: connections(&config.http),
            auth,
            mailer: Arc::new(mailer),
            receiver,
            donor,
            numbers_end,
            store,
            _lock: lock,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the metrics, if there are any.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(MetricsListener::address)
    }

    /// The address its users know.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The domain behind the APIs.
    pub fn auth(&self) -> Arc<Auth> {
        Arc::clone(&self.auth)
    }

    /// Where it sends mail.
    pub fn mail_goes_to(&self) -> String {
        self.mailer.describe()
    }

    /// Answers until `shutdown`, lets running requests end, and closes the database. If this future is
    /// dropped, only the requests that are being answered still end.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let auth = self.auth;
        let mut following = JoinSet::new();
        following.spawn({
            let auth = Arc::clone(&auth);
            async move { auth.follow_revocations().await }
        });
        let mut background = JoinSet::new();
        background.spawn(sweep(Arc::clone(&auth)));
        background.spawn({
            let auth = Arc::clone(&auth);
            async move { auth.follow_schemes().await }
        });
        background.spawn({
            let auth = Arc::clone(&auth);
            async move { auth.store_refused_attempts().await }
        });
        if let Some(donor) = self.donor {
            background.spawn(Arc::clone(&auth).answer_look_ups(donor, self.numbers_end));
        }
        let mut showing = JoinSet::new();
        if let Some(metrics) = self.metrics {
            showing.spawn(metrics.serve());
        }
        let (stop_delivery, stopping) = watch::channel(false);
        let mut delivering = JoinSet::new();
        if let Some(receiver) = self.receiver {
            delivering.spawn(Arc::clone(&auth).send_webhooks(receiver, stopping.clone()));
        }
        delivering.spawn(Arc::clone(&auth).deliver_mail(self.mailer, stopping));
        // The delivery of mails and webhooks ends together with the last requests.
        let shutdown = async {
            shutdown.await;
            stop_delivery.send_replace(true);
        };
        let (connections, requests) = (self.connections, Some(self.requests));
        listen::serve(self.listener, self.app, connections, requests, shutdown).await;
        // Its connection must be closed before the last one of the store.
        following.shutdown().await;
        background.abort_all();
        let delivered = async { while delivering.join_next().await.is_some() {} };
        if tokio::time::timeout(MAIL_DEADLINE, delivered).await.is_err() {
            tracing::warn!("mail was not delivered before the deadline; the next start sends it");
        }
        showing.abort_all();
        if tokio::time::timeout(CLOSE_DEADLINE, auth.store_last_refused()).await.is_err() {
            tracing::warn!("counts of refused attempts were not stored before the deadline");
        }
        auth.close_numbers();
        if tokio::time::timeout(CLOSE_DEADLINE, self.store.close()).await.is_err() {
            tracing::warn!("the database did not close before the deadline");
        }
    }
}

fn open_mailer(config: &Config, public_url: &str) -> Result<Mailer, StartError> {
    let Config { mail, product, data_dir, .. } = config;
    let on_terminal = std::io::stdout().is_terminal();
    Ok(Mailer::open(mail, product, public_url, data_dir, on_terminal)?)
}

/// Checks and completes what the database holds before the first request.
async fn prepare(
    auth: &Auth,
    keys: &ServerSecret,
    store: &Store,
    config: &Config,
) -> Result<(), StartError> {
    // Before a key is made: with a wrong secret it would be sealed under that.
    if let Some(kid) = auth.sealed_signing_key().await? {
        return Err(SecretError::Sealed(kid).into());
    }
    keys.remember(store).await?;
    auth.prepare_signing_keys().await?;
    if let Some(name) = auth.provider_with_changed_issuer().await? {
        return Err(changed_issuer(&name));
    }
    if matches!(store, Store::Sqlite { .. }) {
        auth.release_mails().await?;
    }
    if let Err(error) = auth.count_schemes_first().await {
        tracing::warn!(%error, "password schemes could not be counted: a sign-in of an unknown user takes as long as one argon2id hash");
    }
    auth.warn_while_adopting();
    auth.keep_numbers_in(&config.data_dir, config.database_url.is_none()).await?;
    begin_numbers(auth, config).await?;
    create_superuser(auth, &config.superuser).await
}

/// After a restart of the machine the database may take longer to start than this server.
async fn open_with_retry(database: &Database) -> Result<Store, StoreError> {
    let mut pause = DATABASE_PAUSE;
    loop {
        match database.open_or_create().await {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "waiting for the database");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_DATABASE_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

async fn sweep(auth: Arc<Auth>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = auth.sweep().await {
            tracing::warn!(%error, "expired rows could not be deleted; the next sweep tries again");
        }
    }
}
