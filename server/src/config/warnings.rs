//! Settings that are valid but weaken others: reported by `check-config` and at every start.

use std::fmt;

use ipnet::IpNet;
use url::{Host, Url};

use super::{Config, Links};

/// 7 MiB in five passes, 19 MiB in two and 46 MiB in one cost about this much (OWASP's minimum for
/// argon2id).
const LEAST_HASH_COST: u64 = 35_000;
const LEAST_HASH_MEMORY: u32 = 7_168;
/// A higher limit stops no attacker.
const NO_LIMIT: u32 = 100_000;
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
const SSL_PARAMETERS: [&str; 9] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
];
const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A setting and its problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub key: String,
    pub problem: String,
}

impl Warning {
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Warning { key: key.into(), problem: problem.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}

impl Config {
    /// What an operator should know about valid settings.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        warnings.extend(self.clear_public_url());
        warnings.extend(self.published_secret());
        warnings.extend(self.shared_numbers());
        warnings.extend(self.everyone_is_a_proxy());
        warnings.extend(self.cheap_hashes());
        warnings.extend(self.no_limits());
        warnings.extend(self.database_tls());
        warnings.extend(self.unknown_log_level());
        warnings.extend(self.providers_without_redirect());
        warnings.extend(self.mails_to_files());
        warnings.extend(self.clear_mail());
        warnings.extend(self.exposed_files());
        warnings.extend(self.exposed_links());
        warnings.extend(self.clear_origins());
        warnings
    }

    fn clear_public_url(&self) -> Option<Warning> {
        let url = Url::parse(self.public_url.as_deref()?).ok()?;
        let is_reached_by_others = !self.listen.ip().is_loopback() || !is_this_machine(&url);
        let problem = "begins with http://: others can read passwords, tokens and mailed links in \
                       transit; put a TLS proxy in front and write https://";
        (url.scheme() == "http" && is_reached_by_others)
            .then(|| Warning::new("public_url", problem))
    }

    fn published_secret(&self) -> Option<Warning> {
        let secret = self.tokens.secret.as_ref()?.expose();
        let problem = "begins with django-insecure-: Django generated this key for a new project, \
                       and such keys are often committed to repositories; others may know it";
        let is_known = secret.to_ascii_lowercase().starts_with("django-insecure-");
        is_known.then(|| Warning::new("tokens.secret", problem))
    }

    fn shared_numbers(&self) -> Option<Warning> {
        let problem = "is not set: another system with the key in tokens.secret takes our account \
                       numbers for its own, and accepts our users as its users; set a number above \
                       all that it has given, or use a key that no other system has";
        let is_shared = self.tokens.secret.is_some() && self.accounts.first_id.is_none();
        is_shared.then(|| Warning::new("accounts.first_id", problem))
    }

    fn everyone_is_a_proxy(&self) -> Option<Warning> {
        let is_wide = |network: &&IpNet| match network {
            IpNet::V4(network) => network.prefix_len() < 8,
            IpNet::V6(network) => network.prefix_len() < 16,
        };
        let wide = self.http.trusted_proxies.iter().find(is_wide)?;
        let problem = format!(
            "{wide} is larger than a private network: a client in it can choose its address, and \
             no limit of attempts works"
        );
        Some(Warning::new("http.trusted_proxies", problem))
    }

    fn cheap_hashes(&self) -> Option<Warning> {
        let (memory, passes) = (self.password.memory_kib, self.password.time);
        let is_cheap =
            memory < LEAST_HASH_MEMORY || u64::from(memory) * u64::from(passes) < LEAST_HASH_COST;
        let problem = "with password.time, makes hashes so cheap that the passwords of a stolen \
                       database can be found; the defaults are 19456 and 2";
        is_cheap.then(|| Warning::new("password.memory_kib", problem))
    }

    fn no_limits(&self) -> Vec<Warning> {
        let limits = &self.limits;
        if !limits.enabled {
            let problem = "is off: passwords can be guessed, and mails sent, without limit";
            return vec![Warning::new("limits.enabled", problem)];
        }
        let attempts = [
            ("per_address", limits.per_address),
            ("per_account_and_address", limits.per_account_and_address),
            ("per_account", limits.per_account),
            ("registrations_per_address", limits.registrations_per_address),
            ("mails_per_address", limits.mails_per_address),
            ("sign_ins_per_address", limits.sign_ins_per_address),
            ("mails_per_recipient", limits.mails_per_recipient),
        ];
        let is_none = |(_, allowed): &(&str, u32)| *allowed >= NO_LIMIT;
        let warn = |(name, _)| {
            Warning::new(format!("limits.{name}"), "is so high that it stops no attack")
        };
        attempts.into_iter().filter(is_none).map(warn).collect()
    }

    /// TLS parameters that the database driver ignores silently, so that it connects without
    /// encryption.
    fn database_tls(&self) -> Vec<Warning> {
        let Some(url) = self.postgres_url() else { return Vec::new() };
        let is_unknown = |name: &&str| {
            name.to_ascii_lowercase().contains("ssl") && !SSL_PARAMETERS.contains(name)
        };
        let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        let unknown = names.iter().map(String::as_str).filter(is_unknown);
        let skipped = unknown.map(|name| format!("{name} is an unknown parameter and is ignored"));
        let mut problems: Vec<_> = skipped.collect();
        if ssl_modes(&url).is_empty() {
            problems.extend(std::env::var("PGSSLMODE").ok().as_deref().and_then(unknown_ssl_mode));
        }
        problems.into_iter().map(|problem| Warning::new("database_url", problem)).collect()
    }

    /// An `sslmode` that the driver refuses.
    pub(super) fn refused_ssl_mode(&self) -> Option<String> {
        ssl_modes(&self.postgres_url()?).iter().find_map(|mode| unknown_ssl_mode(mode))
    }

    fn postgres_url(&self) -> Option<Url> {
        let url = Url::parse(self.database_url.as_ref()?.expose()).ok()?;
        url.scheme().starts_with("postgres").then_some(url)
    }

    /// A bare word is read as a module name, so that nothing else is logged.
    fn unknown_log_level(&self) -> Option<Warning> {
        let is_level = |word: &str| {
            LOG_LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
                || matches!(word, "0" | "1" | "2" | "3" | "4" | "5")
        };
        let mut words = self.log.split(',').map(str::trim);
        let unknown = words
            .find(|word| !word.is_empty() && !word.contains(['=', '[', ':']) && !is_level(word))?;
        let levels = LOG_LEVELS.join(", ");
        let problem = format!(
            "{} is not a level and is read as a module name; levels are {levels}",
            unknown.escape_debug()
        );
        Some(Warning::new("log", problem))
    }

    fn providers_without_redirect(&self) -> Vec<Warning> {
        let is_native = self.dialects.get("native").is_none_or(|native| native.enabled);
        if !self.redirects.allowed.is_empty() || !is_native {
            return Vec::new();
        }
        let configured = self.providers.iter().filter(|(_, provider)| provider.client_id.is_some());
        let warn = |(name, _)| {
            let problem =
                "redirects.allowed is empty: no app can start a sign-in with it at native";
            Warning::new(format!("providers.{name}"), problem)
        };
        configured.map(warn).collect()
    }

    fn mails_to_files(&self) -> Option<Warning> {
        let problem = "is not set: mails are written to files and not sent";
        let is_public = self.public_url.is_some() && self.mail.smtp_url.is_none();
        is_public.then(|| Warning::new("mail.smtp_url", problem))
    }

    fn clear_mail(&self) -> Option<Warning> {
        let url = Url::parse(self.mail.smtp_url.as_ref()?.expose()).ok()?;
        let is_required = url.query_pairs().any(|(name, mode)| name == "tls" && mode == "required");
        let is_public = match url.host()? {
            Host::Domain(name) => name.contains('.'),
            Host::Ipv4(address) => !address.is_private() && !address.is_loopback(),
            Host::Ipv6(address) => !address.is_loopback() && !address.is_unique_local(),
        };
        let problem = "sends mails, whose links give access to accounts, without TLS if the server \
                       has none; add ?tls=required";
        (url.scheme() == "smtp" && !is_required && is_public)
            .then(|| Warning::new("mail.smtp_url", problem))
    }

    fn exposed_links(&self) -> Vec<Warning> {
        let of_apis = self.apis.iter();
        let of_apis = of_apis.map(|(name, api)| (format!("apis.{name}.links"), &api.links));
        let all = [("links".to_owned(), &self.links)].into_iter().chain(of_apis);
        all.flat_map(|(section, links)| links.exposed(&section)).collect()
    }

    fn clear_origins(&self) -> Vec<Warning> {
        let is_clear = |origin: &&String| {
            Url::parse(origin).is_ok_and(|url| url.scheme() == "http" && !is_this_machine(&url))
        };
        let warn = |origin| {
            let problem =
                format!("{origin} is not encrypted: its scripts can be changed in transit");
            Warning::new("cors.origins", problem)
        };
        self.cors.origins.iter().filter(is_clear).map(warn).collect()
    }
}

impl Links {
    /// A warning for each link that others can read or claim; `section` has these settings.
    fn exposed(&self, section: &str) -> Vec<Warning> {
        // The link for a new password may lead to an app's own scheme: it is used only if it is bound
        // to the app that asks.
        let each = [
            ("activation", &self.activation),
            ("reset", &self.reset),
            ("email_reset", &self.email_reset),
        ];
        let warn = |(setting, link): (&str, &Option<String>)| {
            let url = Url::parse(link.as_deref()?).ok()?;
            let problem = match url.scheme() {
                "https" => return None,
                "http" if is_this_machine(&url) => return None,
                "http" => "uses http://: others can read the link in transit",
                _ if setting == "reset" => return None,
                _ => {
                    "leads to an app's own scheme, which any app can claim; an https link that the \
                      app has claimed is safer (Universal Link, App Link)"
                }
            };
            Some(Warning::new(format!("{section}.{setting}"), problem))
        };
        each.into_iter().filter_map(warn).collect()
    }
}

fn ssl_modes(url: &Url) -> Vec<String> {
    let of_mode = url.query_pairs().filter(|(name, _)| matches!(&**name, "sslmode" | "ssl-mode"));
    of_mode.map(|(_, mode)| mode.into_owned()).collect()
}

fn unknown_ssl_mode(mode: &str) -> Option<String> {
    let is_known = SSL_MODES.contains(&mode.to_ascii_lowercase().as_str());
    let mode = mode.escape_debug();
    (!is_known).then(|| format!("sslmode {mode} is unknown; it is one of {}", SSL_MODES.join(", ")))
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
