//! Where settings come from: `propusk.toml`, `.env` and the environment, and the files that hold secrets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Config, ConfigError, DialectSettings, Mail, ProviderSettings, Secret, Superuser};

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
            .add_source(config::Config::try_from(&defaults.named_defaults())?)
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
    /// source may name one setting of an API or a provider and leave the others.
    fn named_defaults(&self) -> NamedDefaults<'_> {
        NamedDefaults { dialects: &self.dialects, providers: &self.providers }
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
        read_secret("superuser.password_file", password_file.as_ref(), password)?;
        for (name, provider) in &mut self.providers {
            let ProviderSettings { client_secret, client_secret_file, .. } = provider;
            let read =
                read_secret("client_secret_file", client_secret_file.as_ref(), client_secret);
            read.map_err(|error| ConfigError::Provider {
                name: name.clone(),
                problem: error.to_string(),
            })?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct NamedDefaults<'c> {
    dialects: &'c BTreeMap<String, DialectSettings>,
    providers: &'c BTreeMap<String, ProviderSettings>,
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
    let of_a_provider =
        flatten(&serde_json::to_value(ProviderSettings::default()).unwrap_or_default());
    for key in flatten(&given).into_keys() {
        let setting = key.strip_prefix("providers.").and_then(|rest| rest.split_once('.'));
        let is_known = |(_, setting): (&str, &str)| of_a_provider.contains_key(setting);
        if !known.contains_key(&key) && !setting.is_some_and(is_known) {
            // A provider may be one that nobody knows by name yet.
            let of_this = setting.filter(|(_, setting)| !setting.contains('.')).map(|(name, _)| {
                of_a_provider.keys().map(move |key| format!("providers.{name}.{key}"))
            });
            let nearest = known
                .keys()
                .cloned()
                .chain(of_this.into_iter().flatten())
                .max_by(|a, b| {
                    strsim::jaro_winkler(a, &key).total_cmp(&strsim::jaro_winkler(b, &key))
                })
                .filter(|near| strsim::jaro_winkler(near, &key) > 0.8);
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

/// A list of networks, or text with commas.
pub(super) fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    texts(from)?.iter().map(|item| network(item)).collect()
}

/// A list, or text with commas, as the environment has it.
pub(super) fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of texts, or one text with commas")]
    enum ListOrText {
        List(Vec<Item>),
        One(Item),
    }
    /// Ids of some providers are numbers.
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
        .map_err(|_| E::custom(format!("{text} is no network such as 10.0.0.0/8")))
}
