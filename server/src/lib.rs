//! Propusk's server: existing sign-in APIs over one account store. [`Server::bind`] puts the
//! parts together and is the only place that sees all of them.

pub mod algorithm;
mod app_links;
pub mod auth;
pub mod clock;
pub mod config;
mod dialects;
mod drf;
pub mod error;
mod http;
pub mod identifier;
pub mod language;
pub mod mail;
mod openapi;
mod owner_only;
mod pages;
mod providers;
mod python;
pub mod readable;
mod redirect;
mod rehearsal;
pub mod store;
mod tls;

use std::future::Future;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::app_links::AppLinks;
use crate::auth::password::{HashError, HashSettings, Hasher, Password};
use crate::auth::{Allowed, LimitRules};
use crate::auth::{
    Auth, Links, NewPassword, NumberConflict, NumbersError, Parts, RESET_PATH, Registration,
};
use crate::auth::{Issuer, SigningSettings};
use crate::auth::{KeyError, Keys};
pub use crate::clock::Clock;
use crate::config::{Config, ConfigError, Superuser};
use crate::dialects::Dialect;
use crate::drf::Context;
use crate::error::Error;
use crate::http::client::TrustedProxies;
use crate::http::listen::Connections;
use crate::identifier::{Email, Identifier, Phone, Username};
use crate::mail::{MailError, Mailer};
use crate::pages::Pages;
use crate::providers::Providers;
pub use crate::providers::is_openid_connect;
use crate::redirect::Redirects;
pub use crate::rehearsal::{check, check_against_database, look_at_database};
use crate::store::{Database, ServingLock, Store, StoreError};

/// What the database may still do after the last answer.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// Between attempts to reach a database that is not there yet: at first, and at most.
const DATABASE_PAUSE: Duration = Duration::from_millis(250);
const MAX_DATABASE_PAUSE: Duration = Duration::from_secs(5);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long mails under way may hold up the end.
const MAIL_DEADLINE: Duration = Duration::from_secs(9);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("password hashing: {0}")]
    Hashing(#[from] HashError),
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error("cannot listen on {0}: {1}; another address is set with PROPUSK_LISTEN")]
    Listen(SocketAddr, std::io::Error),
    #[error("accounts.first_id: {0}")]
    FirstId(NumberConflict),
    #[error("superuser: {0}")]
    Superuser(&'static str),
    #[error(transparent)]
    Numbers(#[from] NumbersError),
    #[error(transparent)]
    Domain(#[from] Error),
}

impl StartError {
    /// Whether a later start may well succeed with the same settings.
    pub fn may_pass(&self) -> bool {
        matches!(self, StartError::Store(error) if error.may_pass())
    }
}

/// A server that listens and has not begun to answer.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    public_url: Arc<str>,
    connections: Connections,
    app: Router,
    auth: Arc<Auth>,
    mailer: Arc<Mailer>,
    store: Store,
    /// Keeps a second server away from the same data.
    _lock: ServingLock,
}

impl Server {
    /// Opens the database (migrating it), loads keys and revocations, and listens.
    pub async fn bind(config: Config, clock: Clock) -> Result<Self, StartError> {
        config.check()?;
        store::create_data_dir(&config.data_dir)?;
        let lock = store::lock_for_serving(database_url(&config), &config.data_dir)?;
        let store = open_when_there(&database(&config)?).await?;
        let keys = load_keys(&config, &store).await?;
        let listen_failed = |error| StartError::Listen(config.listen, error);
        let listener = TcpListener::bind(config.listen).await.map_err(listen_failed)?;
        let address = listener.local_addr().map_err(listen_failed)?;
        let public_url = public_url(&config, address);
        let app_links = AppLinks::new(&config, &public_url)?;
        let on_terminal = std::io::stdout().is_terminal();
        let mailer = Mailer::open(
            &config.mail,
            &config.product,
            &public_url,
            &config.data_dir,
            on_terminal,
        )?;
        let providers = Providers::new(&config.providers, &config.outbound, &public_url)
            .map_err(provider_problem)?;
        let auth =
            open_auth(&config, clock.clone(), store.clone(), &keys, providers, &public_url).await?;
        let auth = Arc::new(auth);
        // Before a key is made: it would be sealed under a secret that may be a slip.
        if let Some(kid) = auth.sealed_signing_key().await? {
            return Err(KeyError::Sealed(kid).into());
        }
        keys.remember(&store).await?;
        auth.prepare_signing_keys().await?;
        if let Some(name) = auth.exchanged_provider().await? {
            return Err(exchanged(&name));
        }
        if matches!(store, Store::Sqlite { .. }) {
            auth.release_mails().await?;
        }
        if let Err(error) = auth.count_schemes_first().await {
            tracing::warn!(%error, "unknown users cost what argon2id costs, not what accounts do");
        }
        auth.keep_numbers_in(&config.data_dir, config.database_url.is_none()).await?;
        begin_numbers(&auth, &config).await?;
        create_superuser(&auth, &config.superuser).await?;
        Ok(Server {
            listener,
            address,
            app: app(&config, clock, &auth, &public_url, app_links),
            public_url,
            connections: connections(&config.http),
            auth,
            mailer: Arc::new(mailer),
            store,
            _lock: lock,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its users reach it.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The domain behind the APIs.
    pub fn auth(&self) -> Arc<Auth> {
        Arc::clone(&self.auth)
    }

    /// Where its mail goes.
    pub fn mail_goes_to(&self) -> String {
        self.mailer.describe()
    }

    /// Answers until `shutdown`, lets running requests end, and closes the database.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let following = tokio::spawn({
            let auth = Arc::clone(&self.auth);
            async move { auth.follow_revocations().await }
        });
        let sweeping = tokio::spawn(sweep(Arc::clone(&self.auth)));
        let counting = tokio::spawn({
            let auth = Arc::clone(&self.auth);
            async move { auth.follow_schemes().await }
        });
        let (stop_mail, stopping) = watch::channel(false);
        let delivering = tokio::spawn(Arc::clone(&self.auth).deliver_mail(self.mailer, stopping));
        // Mails under way end while the last requests do.
        let shutdown = async {
            shutdown.await;
            stop_mail.send_replace(true);
        };
        http::listen::serve(self.listener, self.app, self.connections, shutdown).await;
        following.abort();
        sweeping.abort();
        counting.abort();
        if tokio::time::timeout(MAIL_DEADLINE, delivering).await.is_err() {
            tracing::warn!("mail did not come to its end in time");
        }
        self.auth.close_numbers();
        if tokio::time::timeout(CLOSE_DEADLINE, self.store.close()).await.is_err() {
            tracing::warn!("the database did not let go in time");
        }
    }
}

/// The settings that are in force where nothing is configured.
pub fn default_config() -> Config {
    Config { dialects: dialects::defaults(), providers: providers::defaults(), ..Config::default() }
}

/// Opens the domain without serving it, as the command line does: it signs and reads no tokens, so
/// it asks for no secret.
pub async fn open(config: &Config, clock: Clock) -> Result<Arc<Auth>, StartError> {
    let store = database(config)?.open().await?;
    let public_url = public_url(config, config.listen);
    // Nobody signs in by a provider here, so what is wrong with one keeps no operator from work.
    let nobody = Providers::default();
    Ok(Arc::new(open_auth(config, clock, store, &Keys::nobodys()?, nobody, &public_url).await?))
}

/// The same for work on signing keys, which are sealed under the server's secret. With another secret
/// nothing is done that the server, which may be running, could not go on with; `replaces_all`: unless
/// that is what has been asked for.
pub async fn open_with_secret(
    config: &Config,
    clock: Clock,
    replaces_all: bool,
) -> Result<Arc<Auth>, StartError> {
    config.check()?;
    let store = database(config)?.open().await?;
    let keys = match config.tokens.secret.as_ref().filter(|_| replaces_all) {
        Some(secret) => Keys::of_operator(secret.expose()),
        None => load_keys(config, &store).await?,
    };
    let public_url = public_url(config, config.listen);
    let nobody = Providers::default();
    let auth = open_auth(config, clock, store.clone(), &keys, nobody, &public_url).await?;
    match auth.sealed_signing_key().await? {
        _ if replaces_all => keys.replace(&store).await?,
        Some(kid) => return Err(KeyError::Sealed(kid).into()),
        None => keys.remember(&store).await?,
    }
    Ok(Arc::new(auth))
}

async fn load_keys(config: &Config, store: &Store) -> Result<Keys, StartError> {
    let secret = config.tokens.secret.as_ref().map(config::Secret::expose);
    Ok(Keys::load(secret, &config.data_dir, store).await?)
}

/// Makes the database where there is none, and brings its schema up to date.
pub async fn migrate(config: &Config) -> Result<(), StartError> {
    store::create_data_dir(&config.data_dir)?;
    database(config)?.open_or_make().await?.close().await;
    Ok(())
}

fn database(config: &Config) -> Result<Database, StoreError> {
    Database::of(database_url(config), &config.data_dir)
}

/// After a restart of the machine the database may take longer to start than this server.
async fn open_when_there(database: &Database) -> Result<Store, StoreError> {
    let mut pause = DATABASE_PAUSE;
    loop {
        match database.open_or_make().await {
            Err(error) if error.may_pass() => {
                tracing::warn!(%error, "waiting for the database");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_DATABASE_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

async fn open_auth(
    config: &Config,
    clock: Clock,
    store: Store,
    keys: &Keys,
    providers: Providers,
    public_url: &str,
) -> Result<Auth, StartError> {
    let shares_user_names = config.shares_user_names();
    let parts = Parts {
        store,
        clock,
        hasher: Hasher::start(hashing(config))?,
        signing_secret: keys.simple_jwt(),
        token_ids: keys.token_ids(),
        user_names: if shares_user_names { keys.simple_jwt() } else { keys.user_names() },
        shares_user_names,
        one_time: keys.one_time(),
        flow_key: keys.flows(),
        refresh_key: keys.refresh(),
        digest_key: keys.limits(),
        signing: signing(config, keys, public_url),
        providers,
        redirects: Redirects::new(config.redirects.allowed.clone()),
        links: links(&config.links, public_url),
        language: config.mail.language,
        policies: dialects::enabled(&config.dialects).into_iter().map(|d| d.policy).collect(),
        limits: limits(config),
        accept_foreign: config.tokens.accept_foreign,
    };
    Ok(Auth::open(parts).await?)
}

fn signing(config: &Config, keys: &Keys, public_url: &str) -> SigningSettings {
    let config::Tokens { algorithm, audience, key_overlap_seconds: overlap, .. } =
        config.tokens.clone();
    let audience = audience.unwrap_or_else(|| public_url.to_owned());
    let issuer = Issuer { issuer: public_url.to_owned(), audience };
    SigningSettings { issuer, algorithm, overlap, sealing: keys.sealing() }
}

fn database_url(config: &Config) -> Option<&str> {
    config.database_url.as_ref().map(config::Secret::expose)
}

fn app(
    config: &Config,
    clock: Clock,
    auth: &Arc<Auth>,
    public_url: &Arc<str>,
    app_links: AppLinks,
) -> Router {
    let ready_auth = Arc::clone(auth);
    let proxies = TrustedProxies::new(&config.http.trusted_proxies);
    let language = config.mail.language;
    let pages = Arc::new(Pages::new(
        Arc::clone(auth),
        proxies.clone(),
        language,
        &config.product,
        public_url,
    ));
    let mount = |router: Router, dialect: Dialect| {
        let context = Arc::new(Context {
            auth: Arc::clone(auth),
            policy: dialect.policy,
            public_url: Arc::clone(public_url),
            proxies: proxies.clone(),
        });
        let routes = (dialect.mount)(&context);
        // Where a mailed link leads to an API's own path, the page stands in front of it.
        router.merge(match dialect.policy.reset_path {
            RESET_PATH => routes,
            _ => routes.route_layer(from_fn_with_state(Arc::clone(&pages), pages::confirm_link)),
        })
    };
    let dialects = dialects::enabled(&config.dialects);
    let fragments = dialects.iter().map(|dialect| (dialect.openapi)()).collect();
    let docs = match config.docs.enabled {
        true => pages::docs::router(&openapi::document(public_url, fragments), pages.host()),
        false => Router::new(),
    };
    let app = dialects
        .into_iter()
        .fold(pages::router(&pages), mount)
        .merge(docs)
        .merge(pages::home::router(&pages, config.docs.enabled))
        .merge(app_links.router())
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || ready(Arc::clone(&ready_auth))))
        .fallback(|| async { drf::unknown_path() });
    http::cors::allow(app, &config.cors.origins)
        .layer(from_fn(http::layers::log))
        .layer(from_fn_with_state(clock, http::layers::date))
}

/// Whether requests that need the database can be served.
async fn ready(auth: Arc<Auth>) -> (StatusCode, &'static str) {
    match auth.ping().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}

fn public_url(config: &Config, address: SocketAddr) -> Arc<str> {
    match &config.public_url {
        Some(url) => url.trim_end_matches('/').into(),
        None => format!("http://{address}").into(),
    }
}

fn connections(http: &config::Http) -> Connections {
    Connections { max: http.max_connections, idle: Duration::from_secs(http.idle_seconds) }
}

fn hashing(config: &Config) -> HashSettings {
    let config::Hashing { memory_kib, time, threads, queue } = config.password;
    let share = config.limits.hashes_per_address.unwrap_or(queue / 8).max(1);
    HashSettings { memory_kib, time, threads, queue, share }
}

fn exchanged(name: &str) -> StartError {
    let problem = format!(
        "issuer is another than before, and people of the one would be taken for those of the \
         other; give it another name or, if they are the same people, run: propusk provider moved \
         {name}"
    );
    provider_problem((name.to_owned(), problem)).into()
}

fn provider_problem((name, problem): (String, String)) -> ConfigError {
    ConfigError::Provider { name, problem }
}

fn links(links: &config::Links, public_url: &str) -> Links {
    let config::Links { activation, reset, email_reset } = links.clone();
    Links { public_url: public_url.to_owned(), activation, reset, email_reset }
}

fn limits(config: &Config) -> LimitRules {
    let config::Limits {
        enabled,
        per_address,
        per_account_and_address,
        per_account,
        registrations_per_address,
        mails_per_address,
        mails_per_recipient,
        sign_ins_per_address,
        hashes_per_address: _,
    } = config.limits;
    LimitRules {
        enabled,
        per_address: Allowed { attempts: per_address, window: 600 },
        per_account_and_address: Allowed { attempts: per_account_and_address, window: 600 },
        per_account: Allowed { attempts: per_account, window: 3600 },
        registrations_per_address: Allowed { attempts: registrations_per_address, window: 600 },
        mails_per_address: Allowed { attempts: mails_per_address, window: 600 },
        mails_per_recipient: Allowed { attempts: mails_per_recipient, window: 3600 },
        sign_ins_per_address: Allowed { attempts: sign_ins_per_address, window: 600 },
    }
}

/// Gives new accounts the numbers that the settings ask for.
pub async fn begin_numbers(auth: &Auth, config: &Config) -> Result<(), StartError> {
    let Some(first_id) = config.accounts.first_id else { return Ok(()) };
    match auth.begin_numbers_at(first_id).await? {
        Some(conflict) => Err(StartError::FirstId(conflict)),
        None => Ok(()),
    }
}

/// Makes the configured superuser; one that is there already is left as it is.
async fn create_superuser(auth: &Auth, superuser: &Superuser) -> Result<(), StartError> {
    let identifiers = superuser_identifiers(superuser)?;
    for identifier in &identifiers {
        if auth.is_taken(identifier, None).await? {
            tracing::info!("an account holds the superuser's {}", identifier.kind().as_str());
            return Ok(());
        }
    }
    let Some(first) = identifiers.first() else { return Ok(()) };
    let sign_up_name = Some(first.shown().to_owned());
    let password = superuser_password(superuser)?;
    let registration = Registration {
        identifiers,
        password: NewPassword::Plain(password),
        display_name: None,
        sign_up_name,
        is_superuser: true,
        language: None,
        awaits_activation: false,
    };
    match auth.register(registration, None).await {
        // Another server on the same database was first.
        Ok(_) | Err(Error::Taken(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn superuser_password(superuser: &Superuser) -> Result<Password, StartError> {
    let password =
        superuser.password.as_ref().ok_or(StartError::Superuser("a password is missing"))?;
    Password::parse(password.expose())
        .map_err(|_| StartError::Superuser("the password is longer than 1024 bytes"))
}

fn superuser_identifiers(superuser: &Superuser) -> Result<Vec<Identifier>, StartError> {
    let mut identifiers = Vec::new();
    if let Some(username) = &superuser.username {
        let username = Username::parse(username).ok_or(StartError::Superuser("not a username"))?;
        identifiers.push(Identifier::Username(username));
    }
    if let Some(email) = &superuser.email {
        let email = Email::parse(email).ok_or(StartError::Superuser("not an e-mail address"))?;
        identifiers.push(Identifier::Email(email));
    }
    if let Some(phone) = &superuser.phone {
        let phone = Phone::parse(phone).ok_or(StartError::Superuser("not a phone number"))?;
        identifiers.push(Identifier::Phone(phone));
    }
    Ok(identifiers)
}

async fn sweep(auth: Arc<Auth>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = auth.sweep().await {
            tracing::warn!(%error, "expired rows could not be deleted; they will be next time");
        }
    }
}
