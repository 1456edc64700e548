//! Reads settings from `propusk.toml`, `.env`, the environment, and files that contain secrets.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::dot_env::{self, Fault, Variable, is_ours};
use super::{
    Adopt, ApiSettings, Config, ConfigError, DialectSettings, Mail, Metrics, ProviderSettings,
    Secret, Superuser, Tokens, Webhooks,
};

impl From<config::ConfigError> for ConfigError {
    fn from(error: config::ConfigError) -> Self {
        use config::ConfigError as E;
        ConfigError::Read(match error {
            // The place of the error, without the value.
            E::FileParse { cause, .. } => {
                cause.to_string().lines().next().unwrap_or_default().to_owned()
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

/// The settings in force, and the origin of each that is not a default.
pub struct Loaded {
    pub config: Config,
    pub origins: BTreeMap<String, String>,
}

impl Config {
    /// Reads `propusk.toml` (or the given file, which must then exist), `.env` and the environment
    /// over `defaults`, and checks the result.
    pub fn load(file: Option<&Path>, defaults: &Config) -> Result<Loaded, ConfigError> {
        let path = file.unwrap_or(Path::new("propusk.toml"));
        let text = settings_file(path, file.is_some())?;
        let toml = layer(config::File::from_str(&text, config::FileFormat::Toml));
        let in_file = |error| ConfigError::Read(format!("{}: {error}", path.display()));
        let layers = [
            (path.display().to_string(), toml.map_err(in_file)?),
            (".env".to_owned(), layer(environment(dot_env()?))?),
            ("environment".to_owned(), layer(environment(process_environment()?))?),
        ];
        let mut origins = BTreeMap::new();
        let mut sources = config::Config::builder()
            .add_source(config::Config::try_from(&defaults.named_defaults())?);
        for (origin, layer) in layers {
            let given: Value = layer.clone().try_deserialize()?;
            origins.extend(flatten(&given).into_keys().map(|key| (key, origin.clone())));
            sources = sources.add_source(layer);
        }
        let sources = sources.build()?;
        refuse_unknown(&sources, defaults)?;
        let mut config: Config = sources.try_deserialize()?;
        for (key, path) in config.read_secret_files()? {
            origins.insert(key, path.display().to_string());
        }
        let file = path.display().to_string();
        let is_from_file = |(key, _): &(String, &Secret)| origins.get(key) == Some(&file);
        let has_secrets = config.secrets().iter().any(is_from_file);
        config.file_with_secrets = has_secrets.then(|| path.to_owned());
        config.check()?;
        Ok(Loaded { config, origins })
    }

    /// The settings whose keys are not fields: a source may set one setting of an API or a provider
    /// and keep the others.
    fn named_defaults(&self) -> NamedDefaults<'_> {
        NamedDefaults { dialects: &self.dialects, providers: &self.providers }
    }

    /// Reads the secrets that are in files, and returns their keys and files.
    fn read_secret_files(&mut self) -> Result<Vec<(String, PathBuf)>, ConfigError> {
        let mut read = Vec::new();
        for SecretPlace { key, value, file } in self.secret_places() {
            let Some(path) = file else { continue };
            *value = Some(read_secret(&key, path, value.is_some())?);
            read.push((key, path.clone()));
        }
        Ok(read)
    }

    /// Every secret that may be in a file.
    fn secret_places(&mut self) -> Vec<SecretPlace<'_>> {
        let Config { database_url, database_url_file, .. } = self;
        let Tokens { secret, secret_file, django_secret_key, django_secret_key_file, .. } =
            &mut self.tokens;
        let Mail { smtp_url, smtp_url_file, .. } = &mut self.mail;
        let Superuser { password, password_file, .. } = &mut self.superuser;
        let Metrics { token, token_file, .. } = &mut self.metrics;
        let Webhooks { secret: webhook_secret, secret_file: webhook_secret_file, .. } =
            &mut self.webhooks;
        let Adopt { look_up, look_up_file, .. } = &mut self.adopt;
        let place = |key: &str, value, file| SecretPlace { key: key.to_owned(), value, file };
        let mut places = vec![
            place("database_url", database_url, database_url_file.as_ref()),
            place("tokens.secret", secret, secret_file.as_ref()),
            place("tokens.django_secret_key", django_secret_key, django_secret_key_file.as_ref()),
            place("mail.smtp_url", smtp_url, smtp_url_file.as_ref()),
            place("superuser.password", password, password_file.as_ref()),
            place("metrics.token", token, token_file.as_ref()),
            place("webhooks.secret", webhook_secret, webhook_secret_file.as_ref()),
            place("adopt.look_up", look_up, look_up_file.as_ref()),
        ];
        for (name, provider) in &mut self.providers {
            let ProviderSettings { client_secret, client_secret_file, .. } = provider;
            let key = format!("providers.{name}.client_secret");
            places.push(place(&key, client_secret, client_secret_file.as_ref()));
        }
        for (name, api) in &mut self.apis {
            let ApiSettings { signing_key, signing_key_file, .. } = api;
            let key = format!("apis.{name}.signing_key");
            places.push(place(&key, signing_key, signing_key_file.as_ref()));
        }
        places
    }

    /// The value of each setting as a text, secrets included: to be compared, never shown.
    pub fn exposed_values(&self) -> Result<BTreeMap<String, String>, serde_json::Error> {
        let settings = flatten(&serde_json::to_value(self)?);
        let mut values: BTreeMap<_, _> =
            settings.into_iter().map(|(key, value)| (key, value.to_string())).collect();
        for (key, secret) in self.secrets() {
            values.insert(key, secret.expose().to_owned());
        }
        Ok(values)
    }

    /// Every secret that is set, with its key.
    pub(super) fn secrets(&self) -> Vec<(String, &Secret)> {
        let own = [
            ("tokens.secret", &self.tokens.secret),
            ("tokens.django_secret_key", &self.tokens.django_secret_key),
            ("database_url", &self.database_url),
            ("mail.smtp_url", &self.mail.smtp_url),
            ("superuser.password", &self.superuser.password),
            ("metrics.token", &self.metrics.token),
            ("webhooks.secret", &self.webhooks.secret),
            ("adopt.look_up", &self.adopt.look_up),
        ];
        let own = own.into_iter().map(|(key, secret)| (key.to_owned(), secret));
        let of_providers = self.providers.iter().map(|(name, provider)| {
            (format!("providers.{name}.client_secret"), &provider.client_secret)
        });
        let of_apis = self.apis.iter();
        let of_apis =
            of_apis.map(|(name, api)| (format!("apis.{name}.signing_key"), &api.signing_key));
        let all = own.chain(of_providers).chain(of_apis);
        all.filter_map(|(key, secret)| Some((key, secret.as_ref()?))).collect()
    }
}

/// A secret, and the file that may contain it.
struct SecretPlace<'c> {
    key: String,
    value: &'c mut Option<Secret>,
    file: Option<&'c PathBuf>,
}

/// One source alone, so that its own keys can be listed.
fn layer(
    source: impl config::Source + Send + Sync + 'static,
) -> Result<config::Config, ConfigError> {
    Ok(config::Config::builder().add_source(source).build()?)
}

#[derive(Serialize)]
struct NamedDefaults<'c> {
    dialects: &'c BTreeMap<String, DialectSettings>,
    providers: &'c BTreeMap<String, ProviderSettings>,
}

/// The Propusk variables as a source of settings. The order of claims is that of their names, because
/// an environment has none.
fn environment(mut variables: Vec<Variable>) -> config::Environment {
    variables.sort();
    config::Environment::with_prefix("PROPUSK")
        .prefix_separator("_")
        .separator("__")
        .ignore_empty(true)
        .source(Some(variables.into_iter().collect()))
}

/// Whether Kubernetes sets the variable in every container, because there is a service called
/// `propusk` or `propusk-…`.
fn is_of_kubernetes(name: &str) -> bool {
    name.strip_prefix("PROPUSK_").is_some_and(|rest| {
        let rest = format!("_{rest}_");
        ["_SERVICE_HOST_", "_SERVICE_PORT_", "_PORT_"].iter().any(|word| rest.contains(word))
    })
}

/// The Propusk variables of the process, in upper or lower case; they must be text, and set once.
fn process_environment() -> Result<Vec<Variable>, ConfigError> {
    let mut variables: Vec<Variable> = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        if !is_ours(&name) || is_of_kubernetes(&name) {
            continue;
        }
        let problem = |text: &str| ConfigError::Read(format!("{name} {text}"));
        let value = value.into_string().map_err(|_| problem("is not UTF-8"))?;
        let capitals = name.to_ascii_uppercase();
        if variables.iter().any(|(known, _)| *known == capitals) {
            return Err(problem("is set twice, in different case"));
        }
        variables.push((capitals, value));
    }
    Ok(variables)
}

/// The text of the settings file. Only a missing file that is not required counts as empty: what an
/// operator has written must not be ignored.
fn settings_file(path: &Path, must_exist: bool) -> Result<String, ConfigError> {
    let problem = |problem: &dyn std::fmt::Display| {
        ConfigError::Read(format!("{} cannot be read: {problem}", path.display()))
    };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => Vec::new(),
        Err(error) => return Err(problem(&error)),
    };
    let text = String::from_utf8(bytes).map_err(|_| problem(&"it is not UTF-8"))?;
    // Some editors write a byte order mark first.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

fn dot_env() -> Result<Vec<Variable>, ConfigError> {
    let text = match std::fs::read_to_string(".env") {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(_) => return Err(ConfigError::DotEnv("it cannot be opened or is not UTF-8")),
    };
    let mut variables = dot_env::parse(&text)
        .map_err(|Fault { line, problem }| ConfigError::DotEnvLine { line, problem })?;
    variables.retain(|(name, _)| !is_of_kubernetes(name));
    Ok(variables)
}

fn refuse_unknown(sources: &config::Config, defaults: &Config) -> Result<(), ConfigError> {
    let given: Value = sources.clone().try_deserialize()?;
    let known = flatten(&serde_json::to_value(defaults).unwrap_or_default());
    let named = [
        Named::of("providers", &ProviderSettings::default()),
        Named::of("apis", &ApiSettings::default()),
    ];
    for key in flatten(&given).into_keys() {
        let is_claim = key.starts_with("adopt.attributes.");
        let is_named = named.iter().any(|section| section.knows(&key));
        if !known.contains_key(&key) && !is_claim && !is_named {
            let nearest = known
                .keys()
                .cloned()
                .chain(named.iter().flat_map(|section| section.keys_beside(&key)))
                .max_by(|a, b| {
                    strsim::jaro_winkler(a, &key).total_cmp(&strsim::jaro_winkler(b, &key))
                })
                .filter(|near| strsim::jaro_winkler(near, &key) > 0.8);
            return Err(ConfigError::Unknown { key, nearest });
        }
    }
    Ok(())
}

/// A section of parts with names that the operator chooses, such as `providers`.
struct Named {
    section: &'static str,
    /// The keys of one part.
    keys: Vec<String>,
}

impl Named {
    fn of(section: &'static str, part: &impl Serialize) -> Self {
        let keys = flatten(&serde_json::to_value(part).unwrap_or_default()).into_keys();
        Named { section, keys: keys.collect() }
    }

    /// The name of the part that the key belongs to, and the rest of the key.
    fn split<'k>(&self, key: &'k str) -> Option<(&'k str, &'k str)> {
        key.strip_prefix(self.section)?.strip_prefix('.')?.split_once('.')
    }

    /// Whether the key is a setting of any part. The names in the maps of an API are checked later.
    fn knows(&self, key: &str) -> bool {
        self.split(key).is_some_and(|(_, setting)| {
            let map = setting.split_once('.').map(|(map, _)| map);
            let is_of_map = self.section == "apis"
                && matches!(map, Some("paths" | "claims" | "answer" | "routes"));
            is_of_map || self.keys.iter().any(|known| known == setting)
        })
    }

    /// All settings of the part that the key belongs to.
    fn keys_beside(&self, key: &str) -> Vec<String> {
        match self.split(key) {
            Some((name, setting)) if !setting.contains('.') => {
                let keys = self.keys.iter();
                keys.map(|key| format!("{}.{name}.{key}", self.section)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Settings by their dotted keys; lists are values.
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

fn read_secret(key: &str, path: &Path, is_set: bool) -> Result<Secret, ConfigError> {
    let key = format!("{key}_file");
    if is_set {
        return Err(ConfigError::invalid(key, "set the value or the file, not both"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::File {
        key: key.clone().into(),
        path: path.to_owned(),
        error,
    })?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(ConfigError::invalid(key, format!("{} is empty", path.display()))),
        secret => Ok(Secret::new(secret)),
    }
}

/// An address with its port, or `localhost` with one.
pub(super) fn listen_address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    address(&String::deserialize(from)?)
}

/// The same, if there is one.
pub(super) fn optional_address<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<SocketAddr>, D::Error> {
    Option::<String>::deserialize(from)?.as_deref().map(address).transpose()
}

fn address<E: serde::de::Error>(text: &str) -> Result<SocketAddr, E> {
    let spelled = match text.split_once(':') {
        Some(("localhost", port)) => format!("127.0.0.1:{port}"),
        _ => text.to_owned(),
    };
    spelled.parse().map_err(|_| {
        E::custom(format!(
            "{} is not an address with a port such as 127.0.0.1:8000, 0.0.0.0:8000 (all of IPv4) or \
             [::]:8000",
            text.escape_debug()
        ))
    })
}

/// A list of networks, or text with commas.
pub(super) fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    texts(from)?.iter().map(|item| network(item)).collect()
}

/// A list, or a text with commas as in the environment.
pub(super) fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of texts, or one text with commas")]
    enum ListOrText {
        List(Vec<Item>),
        One(Item),
    }
    /// Some providers' ids are numbers.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Item {
        Number(i64),
        Text(String),
    }
    let text = |item| match item {
        Item::Number(number) => number.to_string(),
        Item::Text(text) => text,
    };
    let items: Vec<_> = match ListOrText::deserialize(from)? {
        ListOrText::List(items) => items.into_iter().map(text).collect(),
        ListOrText::One(item) => text(item).split(',').map(str::to_owned).collect(),
    };
    let items = items.iter().map(|item| item.trim()).filter(|item| !item.is_empty());
    Ok(items.map(str::to_owned).collect())
}

/// A network, or a single address.
fn network<E: serde::de::Error>(text: &str) -> Result<IpNet, E> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| address())
        .map_err(|_| E::custom(format!("{text} is not a network such as 10.0.0.0/8")))
}
