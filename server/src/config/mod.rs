//! Settings: defaults, then `propusk.toml`, then `.env`, then the environment
//! (`PROPUSK_SECTION__KEY`). An unknown key is refused, with the nearest known one suggested.

mod check;
mod dot_env;
mod exposed;
mod read;
mod warnings;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use indexmap::IndexMap;
use ipnet::IpNet;
use serde::{Deserialize, Serialize, Serializer};

pub use self::check::{MAX_FIRST_ID, flaw};
pub use self::read::{Loaded, flatten};
use self::read::{listen_address, networks, optional_address, texts};
pub use self::warnings::Warning;
use crate::address_privacy::AddressPrivacy;
use crate::algorithm::Algorithm;
use crate::language::Language;

/// A value that is never printed.
#[derive(Clone, Deserialize, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[redacted]")
    }
}

/// All settings. Each has a default; `propusk check-config` prints the values in force.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Config {
    /// The address to listen on; port 0 picks a free port.
    #[serde(deserialize_with = "listen_address")]
    pub listen: SocketAddr,
    /// The server's URL as its users write it. `None`: derived from `listen`, if that is a loopback
    /// address.
    pub public_url: Option<String>,
    /// The folder of generated secrets and the SQLite file.
    pub data_dir: PathBuf,
    /// `sqlite://…` or `postgres://…`. `None`: a SQLite file in the data directory.
    pub database_url: Option<Secret>,
    pub database_url_file: Option<PathBuf>,
    /// The log filter, in the syntax of `RUST_LOG`.
    pub log: String,
    /// The form of a log line.
    pub log_format: LogFormat,
    pub metrics: Metrics,
    pub tokens: Tokens,
    pub accounts: Accounts,
    pub password: Hashing,
    pub limits: Limits,
    pub http: Http,
    pub cors: Cors,
    pub docs: Docs,
    pub privacy: Privacy,
    pub events: Events,
    pub product: Product,
    pub mail: Mail,
    pub links: Links,
    pub redirects: Redirects,
    pub app_links: AppLinks,
    /// By name; `providers` knows some names and their defaults. All others are OpenID Connect
    /// providers.
    pub providers: BTreeMap<String, ProviderSettings>,
    pub outbound: Outbound,
    pub webhooks: Webhooks,
    /// By API name; an API that is missing here has its defaults.
    pub dialects: BTreeMap<String, DialectSettings>,
    /// By names that the operator chooses.
    pub apis: BTreeMap<String, ApiSettings>,
    pub superuser: Superuser,
    pub adopt: Adopt,
    /// The settings file, if it contains a secret.
    #[serde(skip)]
    pub file_with_secrets: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    /// One JSON object for each line.
    Json,
}

/// What Prometheus reads.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Metrics {
    /// The address of their own listener. `None`: there are no metrics.
    #[serde(deserialize_with = "optional_address")]
    pub listen: Option<SocketAddr>,
    /// What Prometheus sends as a bearer token; required if others than this machine can connect.
    pub token: Option<Secret>,
    pub token_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Tokens {
    /// Signs tokens; at least 32 bytes. `None`: generated and kept in the data directory.
    pub secret: Option<Secret>,
    pub secret_file: Option<PathBuf>,
    /// Whether tokens of a replaced server, signed with the same secret, are accepted for accounts
    /// that were imported from it.
    pub accept_foreign: bool,
    /// The key with which a replaced Django has signed the links that it has mailed. `None`: that of
    /// its tokens.
    pub django_secret_key: Option<Secret>,
    pub django_secret_key_file: Option<PathBuf>,
    /// The algorithm of new signing keys.
    pub algorithm: Algorithm,
    /// The audience of `native` access tokens. `None`: the public URL.
    pub audience: Option<String>,
    /// How long a new signing key is published before it signs.
    pub key_overlap_seconds: i64,
}

/// New accounts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Accounts {
    /// The number of the first one; it must be above every number that another system with the same
    /// secret has given. `None`: numbers begin at 1.
    pub first_id: Option<i64>,
}

/// The cost of argon2id, and its thread pool.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Hashing {
    pub memory_kib: u32,
    pub time: u32,
    /// Hashing threads, each with its own memory.
    pub threads: usize,
    /// Hashes that may wait; further requests are answered 503.
    pub queue: usize,
}

/// How many attempts are allowed.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Limits {
    pub enabled: bool,
    /// From one address in ten minutes.
    pub per_address: u32,
    /// On one account from one address in ten minutes.
    pub per_account_and_address: u32,
    /// On one account from addresses where it has not signed in before, in one hour.
    pub per_account: u32,
    /// Attempts to register from one address in ten minutes.
    pub registrations_per_address: u32,
    /// Requests from one address in ten minutes that may send a mail.
    pub mails_per_address: u32,
    /// Mails of one kind to one mailbox in one hour.
    pub mails_per_recipient: u32,
    /// Requests from one address in ten minutes that start or complete a sign-in with a provider.
    pub sign_ins_per_address: u32,
    /// Hashes for one address that may wait while others wait. `None`: an eighth of
    /// `password.queue`.
    pub hashes_per_address: Option<usize>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Http {
    /// Networks whose `X-Forwarded-For` is trusted.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Concurrent connections; further clients wait.
    pub max_connections: usize,
    /// How long a connection is kept between two requests.
    pub idle_seconds: u64,
}

/// Web front ends on other hosts.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Cors {
    /// Origins such as `https://app.example.com` whose scripts may call the APIs.
    #[serde(deserialize_with = "texts")]
    pub origins: Vec<String>,
}

/// The documentation of the APIs, for programs and for readers.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Docs {
    /// Whether `/openapi.json` and `/docs` are served.
    pub enabled: bool,
}

/// What is kept of clients.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Privacy {
    /// How much of a client's address is kept in events and in the log.
    pub addresses: AddressPrivacy,
}

/// The events of accounts.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Events {
    /// After how many days an event is deleted.
    pub keep_days: i64,
}

/// What mails and pages call this service.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Product {
    /// `None`: the public host.
    pub name: Option<String>,
    /// Where users get help: an e-mail address or a web page.
    pub support: Option<String>,
}

/// How mail is sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Mail {
    /// `smtp://host` (port 25), `smtp://user:password@host?tls=required` (STARTTLS, 587) or
    /// `smtps://…` (TLS, 465); credentials only with TLS or to this machine. `None`: mails are
    /// written as files to `mail` in the data directory.
    pub smtp_url: Option<Secret>,
    pub smtp_url_file: Option<PathBuf>,
    /// Certificates (PEM) to trust in addition to the public ones.
    pub ca_file: Option<PathBuf>,
    /// The sender, `Name <address>`. `None`: `no-reply@` and the public host.
    pub from: Option<String>,
    /// The reply address, `Name <address>`. `None`: the sender.
    pub reply_to: Option<String>,
    /// The default language of mails and pages.
    pub language: Language,
    /// How long the mail server may take for one reply, at most 600; a whole mail may take half as
    /// long again.
    pub timeout_seconds: u64,
}

/// Targets of mailed links, with `{uid}` and `{token}`: a front end, or an app's own scheme.
/// `None`: the server's own pages.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Links {
    pub activation: Option<String>,
    pub reset: Option<String>,
    pub email_reset: Option<String>,
}

/// Where apps are returned to after a sign-in with a provider.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Redirects {
    /// Links of apps, compared exactly; a loopback link such as `http://127.0.0.1/cb` may have any
    /// port.
    #[serde(deserialize_with = "texts")]
    pub allowed: Vec<String>,
}

/// Links of the public host that open apps.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct AppLinks {
    /// Apps for Apple's systems, each `TEAMID.bundle.id`.
    #[serde(deserialize_with = "texts")]
    pub apple: Vec<String>,
    /// Apps for Android, each `package=fingerprint`, with the SHA-256 of the certificate that signs
    /// it.
    #[serde(deserialize_with = "texts")]
    pub android: Vec<String>,
    /// Paths that open Apple's apps, in addition to those of `redirects.allowed`; `*` matches any
    /// rest.
    #[serde(deserialize_with = "texts")]
    pub paths: Vec<String>,
}

/// A provider to sign in with: Google, VK ID, Yandex, Mail.ru, or any OpenID Connect provider.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct ProviderSettings {
    /// This server's client id there. `None`: the provider is off.
    pub client_id: Option<String>,
    /// Further client ids there, such as those of mobile apps, whose tokens are accepted too.
    #[serde(deserialize_with = "texts")]
    pub other_client_ids: Vec<String>,
    pub client_secret: Option<Secret>,
    pub client_secret_file: Option<PathBuf>,
    /// The provider's name for users.
    pub title: Option<String>,
    /// The requested scopes, separated by spaces.
    pub scope: Option<String>,
    /// The provider's issuer; an OpenID Connect provider's endpoints are discovered there.
    pub issuer: Option<String>,
    pub authorize_url: Option<String>,
    pub token_url: Option<String>,
    pub userinfo_url: Option<String>,
    /// Reports the owner of a token. `None`: next to `userinfo_url`.
    pub tokeninfo_url: Option<String>,
    /// Domains whose addresses the provider itself assigns, so that its word about them is trusted.
    /// Empty, for a provider that says which addresses are verified: it is trusted about all, and
    /// can open every account that it names.
    #[serde(deserialize_with = "texts")]
    pub mail_domains: Vec<String>,
    /// Certificates (PEM) to trust in addition to the public ones.
    pub ca_file: Option<PathBuf>,
}

/// Requests to providers, and webhooks.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Outbound {
    /// How long a whole request may take.
    pub timeout_seconds: u64,
    /// Private networks that providers may be in. Other non-public addresses are never connected
    /// to, except one that a provider's settings contain literally.
    #[serde(deserialize_with = "networks")]
    pub internal_networks: Vec<IpNet>,
}

/// A service of the operator that is sent changes of accounts.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Webhooks {
    /// Where they are sent. `None`: nothing is sent.
    pub url: Option<String>,
    /// Signs them; at least 32 bytes.
    pub secret: Option<Secret>,
    pub secret_file: Option<PathBuf>,
    /// Certificates (PEM) to trust in addition to the public ones.
    pub ca_file: Option<PathBuf>,
}

/// The default maximum of live sessions of an account at one API.
pub const MAX_SESSIONS: i64 = 200;

/// How one API is served. The APIs themselves define which there are, and their defaults.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct DialectSettings {
    pub enabled: bool,
    /// Lifetimes of tokens in seconds.
    pub access_seconds: i64,
    pub refresh_seconds: i64,
    /// Strict mode: answers hide who has an account, even if the API's document reveals it.
    pub strict: bool,
    /// The maximum of live sessions of an account at this API.
    pub max_sessions: i64,
    /// How long before the access token expires a refresh is allowed, if the API restricts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_refresh_seconds: Option<i64>,
    /// The maximum lifetime of a session, even if it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute_seconds: Option<i64>,
    /// How long a spent refresh token gets the same answer again, if the client sent no attempt id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<i64>,
    /// If this is configurable: whether a new account, which then needs an e-mail address, is
    /// inactive until its owner opens the mailed link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<bool>,
    /// If this is configurable: whether owners get a mail about a sign-in from a new network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_network_notice: Option<bool>,
    /// The key that signs tokens with a user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
}

/// An API at a place of its own: a dialect that is served elsewhere than its document says, or
/// otherwise. What is not set is as in the document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct ApiSettings {
    /// Required.
    pub dialect: Option<String>,
    pub enabled: bool,
    /// What its paths begin with, in place of the prefix in the document.
    pub prefix: Option<String>,
    /// The whole path of an operation, by its name.
    pub paths: BTreeMap<String, String>,
    /// The operations that are served; empty: all of the document and of `paths`.
    #[serde(deserialize_with = "texts")]
    pub operations: Vec<String>,
    /// The words before a token in the `Authorization` header; the first is in challenges.
    #[serde(deserialize_with = "texts")]
    pub header_words: Vec<String>,
    /// The kinds of names that sign in: `email`, `phone`, `username`.
    #[serde(deserialize_with = "texts")]
    pub signs_in_by: Vec<String>,
    /// The field of the name in a sign-in.
    pub sign_in_field: Option<String>,
    /// Lifetimes of tokens in seconds.
    pub access_seconds: Option<i64>,
    pub refresh_seconds: Option<i64>,
    /// Whether a refresh answers a new refresh token too.
    pub rotating: Option<bool>,
    /// Whether that spends the old one.
    pub blacklist_after_rotation: Option<bool>,
    /// How long before the access token expires a refresh is allowed.
    pub early_refresh_seconds: Option<i64>,
    /// What the answer to a sign-in has beside the tokens, in this order, each with what it says of
    /// the account.
    pub answer: IndexMap<String, AnswerMember>,
    /// The form of the account's number in tokens.
    pub user_id: Option<UserIdForm>,
    /// The libraries whose answers are repeated.
    pub versions: Versions,
    /// A key of its own for its tokens; at least 32 bytes. What it signs is good at this API alone.
    pub signing_key: Option<Secret>,
    pub signing_key_file: Option<PathBuf>,
    /// The same with a private key in PEM: RSA (RS256), or EC on P-256 (ES256).
    pub private_key_file: Option<PathBuf>,
    /// Further claims of its tokens, in this order, each with what it says of the account.
    pub claims: IndexMap<String, String>,
    /// Whether a refresh writes these claims anew.
    pub fresh_claims: Option<bool>,
    /// The claims `aud` and `iss` of its tokens.
    pub audience: Option<String>,
    pub issuer: Option<String>,
    /// Strict mode: answers hide who has an account.
    pub strict: Option<bool>,
    /// Whether new accounts wait for a mailed link.
    pub activation: Option<bool>,
    /// Targets of mailed links, in place of those of all APIs.
    pub links: Links,
    /// The maximum of live sessions of an account at this API.
    pub max_sessions: Option<i64>,
    /// Who answers an operation, by its name; this server, if it is not here.
    pub routes: BTreeMap<String, AnsweredBy>,
    /// The address of the Django, to which its operations are forwarded. `None`: a proxy in front of
    /// this server sends them there.
    pub upstream: Option<String>,
    /// How long an answer of the Django may take.
    pub upstream_seconds: Option<u64>,
}

/// The versions of the libraries that an API replaces; `None`: as in the document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Versions {
    pub simplejwt: Option<Version>,
    pub djoser: Option<Version>,
    pub djangorestframework: Option<Version>,
    pub drf_social_oauth2: Option<Version>,
}

/// One to three numbers. Where the last are left out, it is the newest of these versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(pub [u32; 3]);

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut numbers = [u32::MAX; 3];
        let mut places = numbers.iter_mut();
        for part in text.split('.') {
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let number = part.parse::<u32>().ok().filter(|_| is_number);
            match (places.next(), number) {
                (Some(place), Some(number)) => *place = number,
                _ => return Err(format!("{} is no version such as 5.5.1", text.escape_debug())),
            }
        }
        Ok(Version(numbers))
    }
}

impl From<Version> for String {
    fn from(Version(numbers): Version) -> Self {
        let given = numbers.iter().filter(|number| **number != u32::MAX);
        given.map(u32::to_string).collect::<Vec<_>>().join(".")
    }
}

/// Who answers an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum AnsweredBy {
    Django,
    Propusk,
}

impl TryFrom<String> for AnsweredBy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "django" => Ok(AnsweredBy::Django),
            "propusk" => Ok(AnsweredBy::Propusk),
            other => Err(format!("{} is not django or propusk", other.escape_debug())),
        }
    }
}

/// A member of an answer: what it says of an account, or an object of such members.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a text, or a table of texts")]
pub enum AnswerMember {
    Value(String),
    Object(IndexMap<String, String>),
}

/// The form of the claim `user_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UserIdForm {
    Number,
    Text,
    /// The id that the account has in a replaced system.
    Foreign,
}

/// A key for tokens with a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Signing {
    /// The secret itself: other services that have it can verify the tokens.
    Shared,
    /// A key derived from the secret.
    Derived,
}

/// An account that is created at the start, unless its identifiers are taken.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Superuser {
    pub email: Option<String>,
    pub phone: Option<String>,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub password_file: Option<PathBuf>,
}

/// What `propusk adopt` cannot know from the database of a Django. A column that is not set: the
/// usual names are tried; an empty one: there is none.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Adopt {
    /// The table of the user model. `None`: the one that the tables of the libraries refer to.
    pub user_table: Option<String>,
    /// The column of `USERNAME_FIELD`.
    pub username_field: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub username: Option<String>,
    pub display_name: Option<String>,
    pub joined_at: Option<String>,
    /// A row in which it is true, or has a value, is not read.
    pub deleted: Option<String>,
    /// Which addresses are verified: `active`, `never`, or the column that says it.
    pub proved: Option<String>,
    /// The column of SimpleJWT's `USER_ID_FIELD`. `None`: the primary key.
    pub user_id_field: Option<String>,
    /// Whether new accounts wait for a mailed link, as with djoser's `SEND_ACTIVATION_EMAIL`.
    pub activation_mails: bool,
    /// The algorithms of `PASSWORD_HASHERS`: a hash of another one is not accepted. Empty: all are.
    #[serde(deserialize_with = "texts")]
    pub password_hashers: Vec<String>,
    /// `PASSWORD_RESET_TIMEOUT`.
    pub link_seconds: i64,
    /// How far the time zone of times without an offset is ahead of UTC.
    pub utc_offset_minutes: i64,
    /// Columns by the claims of tokens that have their values.
    pub attributes: BTreeMap<String, String>,
    /// The database of the Django, in which the server looks up what is unknown here while the
    /// adoption is open. `None`: nothing is looked up.
    pub look_up: Option<Secret>,
    pub look_up_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            public_url: None,
            data_dir: PathBuf::from("propusk-data"),
            database_url: None,
            database_url_file: None,
            log: "info".to_owned(),
            log_format: LogFormat::default(),
            metrics: Metrics::default(),
            tokens: Tokens::default(),
            accounts: Accounts::default(),
            password: Hashing::default(),
            limits: Limits::default(),
            http: Http::default(),
            cors: Cors::default(),
            docs: Docs::default(),
            privacy: Privacy::default(),
            events: Events::default(),
            product: Product::default(),
            mail: Mail::default(),
            links: Links::default(),
            redirects: Redirects::default(),
            app_links: AppLinks::default(),
            providers: BTreeMap::new(),
            outbound: Outbound::default(),
            webhooks: Webhooks::default(),
            dialects: BTreeMap::new(),
            apis: BTreeMap::new(),
            superuser: Superuser::default(),
            adopt: Adopt::default(),
            file_with_secrets: None,
        }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Tokens {
            secret: None,
            secret_file: None,
            accept_foreign: false,
            django_secret_key: None,
            django_secret_key_file: None,
            algorithm: Algorithm::default(),
            audience: None,
            key_overlap_seconds: 600,
        }
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Hashing { memory_kib: 19_456, time: 2, threads: 2, queue: 256 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            enabled: true,
            per_address: 300,
            per_account_and_address: 30,
            per_account: 100,
            registrations_per_address: 1_000,
            mails_per_address: 100,
            mails_per_recipient: 10,
            sign_ins_per_address: 1_000,
            hashes_per_address: None,
        }
    }
}

impl Default for Mail {
    fn default() -> Self {
        Mail {
            smtp_url: None,
            smtp_url_file: None,
            ca_file: None,
            from: None,
            reply_to: None,
            language: Language::default(),
            timeout_seconds: 60,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Http { trusted_proxies: Vec::new(), max_connections: 4_096, idle_seconds: 75 }
    }
}

impl Default for Docs {
    fn default() -> Self {
        Docs { enabled: true }
    }
}

impl Default for Events {
    fn default() -> Self {
        Events { keep_days: 90 }
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Outbound { timeout_seconds: 10, internal_networks: Vec::new() }
    }
}

impl Default for DialectSettings {
    fn default() -> Self {
        DialectSettings {
            enabled: true,
            access_seconds: 300,
            refresh_seconds: 86_400,
            strict: false,
            max_sessions: MAX_SESSIONS,
            early_refresh_seconds: None,
            absolute_seconds: None,
            grace_seconds: None,
            activation: None,
            new_network_notice: None,
            signing: None,
        }
    }
}

impl Default for ApiSettings {
    fn default() -> Self {
        ApiSettings {
            dialect: None,
            enabled: true,
            prefix: None,
            paths: BTreeMap::new(),
            operations: Vec::new(),
            header_words: Vec::new(),
            signs_in_by: Vec::new(),
            sign_in_field: None,
            access_seconds: None,
            refresh_seconds: None,
            rotating: None,
            blacklist_after_rotation: None,
            early_refresh_seconds: None,
            answer: IndexMap::new(),
            user_id: None,
            versions: Versions::default(),
            signing_key: None,
            signing_key_file: None,
            private_key_file: None,
            claims: IndexMap::new(),
            fresh_claims: None,
            audience: None,
            issuer: None,
            strict: None,
            activation: None,
            links: Links::default(),
            max_sessions: None,
            routes: BTreeMap::new(),
            upstream: None,
            upstream_seconds: None,
        }
    }
}

impl Default for Adopt {
    fn default() -> Self {
        Adopt {
            user_table: None,
            username_field: None,
            email: None,
            phone: None,
            username: None,
            display_name: None,
            joined_at: None,
            deleted: None,
            proved: None,
            user_id_field: None,
            activation_mails: false,
            password_hashers: Vec::new(),
            // Django's default.
            link_seconds: 259_200,
            utc_offset_minutes: 0,
            attributes: BTreeMap::new(),
            look_up: None,
            look_up_file: None,
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("unknown setting {key}{}", .nearest.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    Unknown { key: String, nearest: Option<String> },
    /// The place of the error, without the value, which may be a secret.
    #[error("{0}")]
    Read(String),
    #[error(".env cannot be read: {0}")]
    DotEnv(&'static str),
    #[error(".env, line {line}: {problem}")]
    DotEnvLine { line: usize, problem: &'static str },
    #[error("{key}: {} cannot be read: {error}", .path.display())]
    File { key: Cow<'static, str>, path: PathBuf, error: std::io::Error },
    #[error("{key}: {problem}")]
    Invalid { key: Cow<'static, str>, problem: Cow<'static, str> },
    #[error("providers.{name}: {problem}")]
    Provider { name: String, problem: String },
}

impl ConfigError {
    pub fn invalid(
        key: impl Into<Cow<'static, str>>,
        problem: impl Into<Cow<'static, str>>,
    ) -> Self {
        ConfigError::Invalid { key: key.into(), problem: problem.into() }
    }
}

impl Config {
    /// The settings of an API, to be changed.
    pub fn dialect(&mut self, name: &str) -> &mut DialectSettings {
        self.dialects.entry(name.to_owned()).or_default()
    }

    /// The settings of an API at a place of its own, to be changed.
    pub fn api(&mut self, name: &str) -> &mut ApiSettings {
        self.apis.entry(name.to_owned()).or_default()
    }

    /// Whether an API signs tokens with a user name with the secret itself.
    pub fn shares_user_names(&self) -> bool {
        self.dialects.values().any(|dialect| dialect.signing == Some(Signing::Shared))
    }

    /// The settings of a provider, to be changed.
    pub fn provider(&mut self, name: &str) -> &mut ProviderSettings {
        self.providers.entry(name.to_owned()).or_default()
    }
}
