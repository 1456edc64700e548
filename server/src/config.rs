//! Settings: defaults, then `propusk.toml`, then `.env`, then the environment
//! (`PROPUSK_SECTION__KEY`). A key that nobody knows is refused, with the nearest known one named.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::language::Language;

const MAX_CONNECTIONS: usize = 1_000_000;
/// What RFC 5321 section 4.5.3.2 gives a mail server at the end of a mail.
const MAX_MAIL_TIMEOUT: u64 = 600;
const TEN_YEARS: i64 = 10 * 366 * 24 * 3600;

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

/// All settings. Every one has a default; `propusk check-config` prints those in force.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The server's address as its users write it. Derived from `listen` on a loopback address.
    pub public_url: Option<String>,
    /// Where generated secrets and the SQLite file live.
    pub data_dir: PathBuf,
    /// `sqlite://…` or `postgres://…`; none is a SQLite file in the data directory.
    pub database_url: Option<Secret>,
    /// What goes to the log, in the syntax of `RUST_LOG`.
    pub log: String,
    pub tokens: Tokens,
    pub password: Hashing,
    pub limits: Limits,
    pub http: Http,
    pub cors: Cors,
    pub mail: Mail,
    pub links: Links,
    /// By the names of the APIs; one that is not here has its defaults.
    pub dialects: BTreeMap<String, DialectSettings>,
    pub superuser: Superuser,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Tokens {
    /// Signs tokens; at least 32 bytes. None: one is generated and kept in the data directory.
    pub secret: Option<Secret>,
    pub secret_file: Option<PathBuf>,
    /// Whether tokens of a replaced server are honoured that are signed with the same secret. Only
    /// with a secret of the operator's, and then on unless said otherwise.
    pub accept_foreign: Option<bool>,
}

/// The cost of argon2id and the pool that pays it.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Hashing {
    pub memory_kib: u32,
    pub time: u32,
    /// Hashing threads, each with its own memory.
    pub threads: usize,
    /// Hashes that may wait; more are answered 503.
    pub queue: usize,
}

/// Failed sign-ins that are looked at.
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
    /// Requests for a mail to one recipient in one hour.
    pub mails_per_recipient: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Http {
    /// Networks whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Connections at a time; further ones wait.
    pub max_connections: usize,
}

/// Web front ends on other hosts.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Cors {
    /// Origins such as `https://app.example.com` whose scripts may call the APIs.
    #[serde(deserialize_with = "texts")]
    pub origins: Vec<String>,
}

/// How mail leaves.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Mail {
    /// `smtp://host` (port 25), `smtp://user:password@host?tls=required` (STARTTLS, 587) or `smtps://…`
    /// (TLS, 465); credentials only with TLS or to this machine. None: mails are written as files to
    /// `mail` in the data directory.
    pub smtp_url: Option<Secret>,
    pub smtp_url_file: Option<PathBuf>,
    /// Certificates (PEM) to trust besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// The sender, `Name <address>`. None: `no-reply@` the public host.
    pub from: Option<String>,
    /// The language of mails and pages where nobody says which.
    pub language: Language,
    /// How long the mail server may take for one reply, at most 600; a whole mail half as long again.
    pub timeout_seconds: u64,
}

impl Mail {
    /// Whether mails go to a server elsewhere, and so to people elsewhere.
    fn leaves_the_machine(&self) -> bool {
        let url = self.smtp_url.as_ref().and_then(|url| url::Url::parse(url.expose()).ok());
        let host = url.as_ref().and_then(url::Url::host_str).unwrap_or("localhost");
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host != "localhost" && !address.is_ok_and(|address| address.is_loopback())
    }
}

/// Where mailed links lead, with `{uid}` and `{token}` in it: a front end, or an app's own scheme.
/// None: to the server's own pages.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Links {
    pub activation: Option<String>,
    pub reset: Option<String>,
    pub email_reset: Option<String>,
}

/// How one API is served. Which there are, and their defaults, the APIs say themselves.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct DialectSettings {
    pub enabled: bool,
    /// Lifetimes of tokens in seconds.
    pub access_seconds: i64,
    pub refresh_seconds: i64,
    /// Whether answers hide who has an account where the API's document tells it.
    pub strict: bool,
    /// Where refresh tokens rotate: whether they do so while the access token is alive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_refresh: Option<bool>,
}

/// An account made at the start if nobody holds its identifiers yet.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Superuser {
    pub email: Option<String>,
    pub phone: Option<String>,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub password_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            public_url: None,
            data_dir: PathBuf::from("propusk-data"),
            database_url: None,
            log: "info".to_owned(),
            tokens: Tokens::default(),
            password: Hashing::default(),
            limits: Limits::default(),
            http: Http::default(),
            cors: Cors::default(),
            mail: Mail::default(),
            links: Links::default(),
            dialects: BTreeMap::new(),
            superuser: Superuser::default(),
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
            language: Language::default(),
            timeout_seconds: 60,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Http { trusted_proxies: Vec::new(), max_connections: 4_096 }
    }
}

impl Default for DialectSettings {
    fn default() -> Self {
        DialectSettings {
            enabled: true,
            access_seconds: 300,
            refresh_seconds: 86_400,
            strict: false,
            early_refresh: None,
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("unknown setting {key}{}", .nearest.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    Unknown { key: String, nearest: Option<String> },
    /// Where it is wrong, not what stands there: that may be a secret.
    #[error("{0}")]
    Read(String),
    #[error(".env cannot be read: {0}")]
    DotEnv(&'static str),
    #[error("{key}: {} cannot be read: {error}", .path.display())]
    File { key: &'static str, path: PathBuf, error: std::io::Error },
    #[error("{key}: {problem}")]
    Invalid { key: &'static str, problem: &'static str },
}

impl From<config::ConfigError> for ConfigError {
    fn from(error: config::ConfigError) -> Self {
        use config::ConfigError as E;
        ConfigError::Read(match error {
            E::FileParse { uri, cause } => {
                let cause = cause.to_string();
                let place = cause.lines().next().unwrap_or_default();
                format!("{}: {place}", uri.unwrap_or_default())
            }
            E::Type { key, expected, .. } => {
                format!("{}: expected {expected}", key.unwrap_or_default())
            }
            E::At { key, error, .. } => match ConfigError::from(*error) {
                ConfigError::Read(text) => format!("{}: {text}", key.unwrap_or_default()),
                other => other.to_string(),
            },
            other => other.to_string(),
        })
    }
}

impl Config {
    /// Reads `propusk.toml` (or the file named by the caller, which must then exist), `.env` and the
    /// environment over `defaults`, and checks the result.
    pub fn load(file: Option<&Path>, defaults: &Config) -> Result<Self, ConfigError> {
        let toml = match file {
            Some(path) => config::File::from(path).required(true),
            None => config::File::from(Path::new("propusk.toml")).required(false),
        };
        let sources = config::Config::builder()
            .add_source(config::Config::try_from(&defaults.dialect_defaults())?)
            .add_source(toml.format(config::FileFormat::Toml))
            .add_source(environment(dot_env()?))
            .add_source(environment(process_environment()?))
            .build()?;
        refuse_unknown(&sources, defaults)?;
        let mut config: Config = sources.try_deserialize()?;

        config.read_secret_files()?;
        config.check()?;
        Ok(config)
    }

    /// The part of the settings whose keys are not fields: read under what the sources say, so that a
    /// source may name one setting of an API and leave the others.
    fn dialect_defaults(&self) -> BTreeMap<&str, &BTreeMap<String, DialectSettings>> {
        BTreeMap::from([("dialects", &self.dialects)])
    }

    /// How an API is to be served, to be changed.
    pub fn dialect(&mut self, name: &str) -> &mut DialectSettings {
        self.dialects.entry(name.to_owned()).or_default()
    }

    /// Checks what the types cannot say.
    pub fn check(&self) -> Result<(), ConfigError> {
        let invalid = |key, problem| Err(ConfigError::Invalid { key, problem });
        if let Some(secret) = &self.tokens.secret
            && let Some(problem) = weakness(secret.expose())
        {
            return invalid("tokens.secret", problem);
        }
        if self.tokens.accept_foreign == Some(true) && self.tokens.secret.is_none() {
            return invalid(
                "tokens.accept_foreign",
                "needs tokens.secret, the replaced server's key",
            );
        }
        match &self.public_url {
            None if !self.listen.ip().is_loopback() => {
                return invalid(
                    "public_url",
                    "must be set when the server listens on other than a loopback address",
                );
            }
            None if self.mail.leaves_the_machine() => {
                return invalid("public_url", "must be set when mail is sent: links lead there");
            }
            Some(url) if !is_base_url(url) => {
                return invalid(
                    "public_url",
                    "must be http:// or https:// with a host, without query or fragment",
                );
            }
            _ => {}
        }
        let is_life = |seconds| (1..=TEN_YEARS).contains(&seconds);
        let sound = |d: &DialectSettings| {
            is_life(d.access_seconds)
                && is_life(d.refresh_seconds)
                && d.access_seconds <= d.refresh_seconds
        };
        if !self.dialects.values().all(sound) {
            return invalid(
                "dialects",
                "access_seconds and refresh_seconds must be from 1 to ten years, the latter not less",
            );
        }
        if !(1..=MAX_CONNECTIONS).contains(&self.http.max_connections) {
            return invalid("http.max_connections", "must be from 1 to 6000000");
        }
        if !(1..=MAX_MAIL_TIMEOUT).contains(&self.mail.timeout_seconds) {
            return invalid("mail.timeout_seconds", "must be from 1 to 600");
        }
        if self.password.threads == 0 || self.password.queue == 0 {
            return invalid("password", "threads and queue must be at least 1");
        }
        let has_place = |link: &str| link.contains("{uid}") && link.contains("{token}");
        let Links { activation, reset, email_reset } = &self.links;
        if ![activation, reset, email_reset]
            .into_iter()
            .flatten()
            .all(|link| is_link(link) && has_place(link))
        {
            return invalid("links", "must be URLs with {uid} and {token} in them");
        }
        if !self.cors.origins.iter().all(|origin| is_origin(origin)) {
            return invalid("cors.origins", "must be origins such as https://app.example.com");
        }
        let engines = ["sqlite://", "postgres://", "postgresql://"];
        let has_engine = |url: &Secret| engines.iter().any(|e| url.expose().starts_with(e));
        if self.database_url.as_ref().is_some_and(|url| !has_engine(url)) {
            return invalid("database_url", "must begin with sqlite:// or postgres://");
        }
        Ok(())
    }

    /// Whether a replaced server's tokens are honoured.
    pub fn accepts_foreign(&self) -> bool {
        self.tokens.secret.is_some() && self.tokens.accept_foreign.unwrap_or(true)
    }

    fn read_secret_files(&mut self) -> Result<(), ConfigError> {
        read_secret(
            "tokens.secret_file",
            self.tokens.secret_file.as_ref(),
            &mut self.tokens.secret,
        )?;
        let Mail { smtp_url, smtp_url_file, .. } = &mut self.mail;
        read_secret("mail.smtp_url_file", smtp_url_file.as_ref(), smtp_url)?;
        let Superuser { password, password_file, .. } = &mut self.superuser;
        read_secret("superuser.password_file", password_file.as_ref(), password)
    }
}

/// What belongs to us of the variables given.
fn environment(variables: impl IntoIterator<Item = (String, String)>) -> config::Environment {
    let own = variables.into_iter().filter(|(name, _)| !is_of_kubernetes(name)).collect();
    config::Environment::with_prefix("PROPUSK")
        .prefix_separator("_")
        .separator("__")
        .ignore_empty(true)
        .source(Some(own))
}

/// Kubernetes sets these in every container beside a service called `propusk` or `propusk-…`.
fn is_of_kubernetes(name: &str) -> bool {
    name.strip_prefix("PROPUSK_").is_some_and(|rest| {
        let rest = format!("_{rest}_");
        ["_SERVICE_HOST_", "_SERVICE_PORT_", "_PORT_"].iter().any(|word| rest.contains(word))
    })
}

/// The process's variables; ours must be text.
fn process_environment() -> Result<Vec<(String, String)>, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => variables.push((name, value)),
            Err(_) if name.starts_with("PROPUSK_") => {
                return Err(ConfigError::Read(format!("{name} is not UTF-8")));
            }
            Err(_) => {}
        }
    }
    Ok(variables)
}

fn dot_env() -> Result<Vec<(String, String)>, ConfigError> {
    let text = match std::fs::read_to_string(".env") {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(_) => return Err(ConfigError::DotEnv("it cannot be opened or is not UTF-8")),
    };
    if text.lines().any(would_be_expanded) {
        return Err(ConfigError::DotEnv(
            "a value with $ or # must stand in single quotes, or it would be read otherwise",
        ));
    }
    let lines = dotenvy::from_read_iter(text.as_bytes()).collect::<Result<_, _>>();
    lines.map_err(|_| ConfigError::DotEnv("a line is not NAME=value (quote values with spaces)"))
}

/// Whether the usual rules of such files would make another value of one of ours: a signing key with
/// a `$` in it would silently become another key.
fn would_be_expanded(line: &str) -> bool {
    let line = line.trim_start();
    let Some((_, value)) = line.strip_prefix("PROPUSK_").and_then(|line| line.split_once('='))
    else {
        return false;
    };
    !value.trim_start().starts_with('\'') && value.contains(['$', '#', '\\'])
}

fn refuse_unknown(sources: &config::Config, defaults: &Config) -> Result<(), ConfigError> {
    let given: Value = sources.clone().try_deserialize()?;
    let known = flatten(&serde_json::to_value(defaults).unwrap_or_default());
    for key in flatten(&given).into_keys() {
        if !known.contains_key(&key) {
            let nearest = known
                .keys()
                .max_by(|a, b| {
                    strsim::jaro_winkler(a, &key).total_cmp(&strsim::jaro_winkler(b, &key))
                })
                .filter(|near| strsim::jaro_winkler(near, &key) > 0.8)
                .cloned();
            return Err(ConfigError::Unknown { key, nearest });
        }
    }
    Ok(())
}

/// Settings by their dotted names; lists are values.
pub fn flatten(settings: &Value) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    let mut open = vec![(String::new(), settings)];
    while let Some((name, value)) = open.pop() {
        match value {
            Value::Object(section) => open.extend(section.iter().map(|(key, value)| {
                let dotted = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                (dotted, value)
            })),
            value => {
                flat.insert(name, value.clone());
            }
        }
    }
    flat
}

fn read_secret(
    key: &'static str,
    file: Option<&PathBuf>,
    secret: &mut Option<Secret>,
) -> Result<(), ConfigError> {
    let Some(path) = file else { return Ok(()) };
    if secret.is_some() {
        return Err(ConfigError::Invalid { key, problem: "set the value or the file, not both" });
    }
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::File {
        key,
        path: path.clone(),
        error,
    })?;
    *secret = Some(Secret::new(text.trim_end_matches(['\r', '\n'])));
    Ok(())
}

/// What is wrong with a signing secret.
fn weakness(secret: &str) -> Option<&'static str> {
    let mut distinct: Vec<u8> = secret.bytes().collect();
    distinct.sort_unstable();
    distinct.dedup();
    const SAMPLES: [&str; 9] = [
        "change-me",
        "changeme",
        "change_me",
        "replace-",
        "replace_",
        "your-secret",
        "your_secret",
        "super-secret",
        "secret-key-here",
    ];
    let lower = secret.to_lowercase();
    if secret.len() < 32 {
        Some("must have at least 32 bytes")
    } else if distinct.len() < 8 || SAMPLES.iter().any(|sample| lower.contains(sample)) {
        Some("is a sample value; make one, for example with: openssl rand -base64 48")
    } else {
        None
    }
}

fn is_base_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

/// Whether a link may stand in a mail: of no scheme that a browser keeps for itself, and with nothing
/// open before its path.
fn is_link(text: &str) -> bool {
    const KEPT: [&str; 8] =
        ["about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"];
    let authority = text
        .split_once("://")
        .map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    // In an app's own link what stands there may well be the first part of the path.
    let is_web = text.starts_with("http://") || text.starts_with("https://");
    url::Url::parse(text).is_ok_and(|url| !KEPT.contains(&url.scheme()))
        && !(is_web && authority.contains('{'))
}

/// Whether it is written exactly as browsers write an origin (RFC 6454 section 6.2).
fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.origin().ascii_serialization() == text
            // Taken for a host by the parser, and by no browser.
            && !text.contains('*')
    })
}

/// A list of networks, or text with commas.
fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    texts(from)?.iter().map(|item| network(item)).collect()
}

/// A list, or text with commas, as the environment has it.
fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ListOrText {
        List(Vec<String>),
        Text(String),
    }
    let items = match ListOrText::deserialize(from)? {
        ListOrText::List(items) => items,
        ListOrText::Text(text) => text.split(',').map(str::to_owned).collect(),
    };
    let items = items.iter().map(|item| item.trim()).filter(|item| !item.is_empty());
    Ok(items.map(str::to_owned).collect())
}

/// A network, or a single address.
fn network<E: serde::de::Error>(text: &str) -> Result<IpNet, E> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| address())
        .map_err(|_| E::custom(format!("{text} is no network such as 10.0.0.0/8")))
}
