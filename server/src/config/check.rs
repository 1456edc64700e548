//! What the types of the settings cannot say.

use super::{Config, ConfigError, DialectSettings, Links, Mail, Product, Secret};
use crate::identifier::Email;
use crate::readable::display_name;
use crate::redirect::may_be_registered;

const MAX_CONNECTIONS: usize = 1_000_000;
const MAX_IDLE: u64 = 3600;
/// What RFC 5321 section 4.5.3.2 gives a mail server at the end of a mail.
const MAX_MAIL_TIMEOUT: u64 = 600;
/// Somebody waits for the answer in a browser.
const MAX_OUTBOUND_TIMEOUT: u64 = 60;
/// How long others may keep the published keys.
const KEYS_ARE_CACHED_FOR: i64 = 300;
const MAX_OVERLAP: i64 = 7 * 24 * 3600;
/// For as long a copied refresh token passes unnoticed.
const MAX_GRACE: i64 = 60;
/// The highest number that new accounts may begin with: other systems keep numbers in 31 bits, and there
/// must be room above it.
pub const MAX_FIRST_ID: i64 = 1 << 30;
/// Who gets such a link sets another password.
const CLAIMED_BY_ANY_APP: &str = "must not lead to an app's own scheme, which any app can claim; use \
                                  an https:// link that the app has claimed (Universal Link, App \
                                  Link). Where native is the only API that is on, links.reset may: \
                                  the link then works only for the app that asked with a \
                                  code_challenge";
const MOST_SESSIONS: i64 = 1_000_000;
const TEN_YEARS: i64 = 10 * 366 * 24 * 3600;

impl Config {
    /// Checks what the types cannot say.
    pub fn check(&self) -> Result<(), ConfigError> {
        let invalid =
            |key: &'static str, problem: &'static str| Err(ConfigError::invalid(key, problem));
        self.check_secrets()?;
        if let Some(secret) = &self.tokens.secret
            && let Some(problem) = weakness(secret.expose())
        {
            return invalid("tokens.secret", problem);
        }
        if self.tokens.accept_foreign && self.tokens.secret.is_none() {
            return invalid(
                "tokens.accept_foreign",
                "needs tokens.secret, the replaced server's key",
            );
        }
        if self.tokens.accept_foreign && self.accounts.first_id.is_none() {
            return invalid(
                "tokens.accept_foreign",
                "needs accounts.first_id, a number above all that the replaced server has given to its users",
            );
        }
        if self.shares_user_names() && !self.tokens.accept_foreign {
            return invalid("dialects.prehashed.signing", "shared needs tokens.accept_foreign");
        }
        if self.accounts.first_id.is_some_and(|first| !(1..=MAX_FIRST_ID).contains(&first)) {
            return invalid("accounts.first_id", "must be from 1 to 1073741824");
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
        for (name, dialect) in &self.dialects {
            check_lives(name, dialect)?;
        }
        let is_leeway = |seconds: i64| (0..=TEN_YEARS).contains(&seconds);
        if !self.dialects.values().all(|d| d.early_refresh_seconds.is_none_or(is_leeway)) {
            return invalid(
                "dialects.simplejwt_rotating.early_refresh_seconds",
                "must be from 0 to ten years",
            );
        }
        if !self.dialects.values().all(|d| (1..=MOST_SESSIONS).contains(&d.max_sessions)) {
            return invalid("dialects", "max_sessions must be from 1 to 1000000");
        }
        if !(KEYS_ARE_CACHED_FOR..=MAX_OVERLAP).contains(&self.tokens.key_overlap_seconds) {
            return invalid("tokens.key_overlap_seconds", "must be from 300 to 604800");
        }
        if self.tokens.audience.as_ref().is_some_and(|audience| audience.trim().is_empty()) {
            return invalid("tokens.audience", "must not be blank");
        }
        if !(1..=MAX_CONNECTIONS).contains(&self.http.max_connections) {
            return invalid("http.max_connections", "must be from 1 to 1000000");
        }
        if !(1..=MAX_IDLE).contains(&self.http.idle_seconds) {
            return invalid("http.idle_seconds", "must be from 1 to 3600");
        }
        if !(1..=MAX_MAIL_TIMEOUT).contains(&self.mail.timeout_seconds) {
            return invalid("mail.timeout_seconds", "must be from 1 to 600");
        }
        if self.password.threads == 0 || self.password.queue == 0 {
            return invalid("password", "threads and queue must be at least 1");
        }
        if self.limits.hashes_per_address == Some(0) {
            return invalid("limits.hashes_per_address", "must be at least 1");
        }
        self.check_links()?;
        if !self.redirects.allowed.iter().all(|redirect| may_be_registered(redirect)) {
            return invalid(
                "redirects.allowed",
                "must be https:// links, links of an app's own scheme, or http://127.0.0.1 and http://[::1] ones, \
                 written as browsers write them, without fragment, user or wildcard",
            );
        }
        if !(1..=MAX_OUTBOUND_TIMEOUT).contains(&self.outbound.timeout_seconds) {
            return invalid("outbound.timeout_seconds", "must be from 1 to 60");
        }
        if !self.cors.origins.iter().all(|origin| is_origin(origin)) {
            return invalid("cors.origins", "must be origins such as https://app.example.com");
        }
        self.product.check()?;
        let engines = ["sqlite://", "postgres://", "postgresql://"];
        let has_engine = |url: &Secret| engines.iter().any(|e| url.expose().starts_with(e));
        if self.database_url.as_ref().is_some_and(|url| !has_engine(url)) {
            return invalid("database_url", "must begin with sqlite:// or postgres://");
        }
        if let Some(problem) = self.refused_ssl_mode() {
            return Err(ConfigError::invalid("database_url", problem));
        }
        Ok(())
    }

    /// What stands around a secret by mistake would silently be part of it.
    fn check_secrets(&self) -> Result<(), ConfigError> {
        for (key, secret) in self.secrets() {
            if let Some(problem) = flaw(secret.expose()) {
                return Err(ConfigError::invalid(key, problem));
            }
        }
        Ok(())
    }

    /// Whether every app that asks for a reset can bind the link to itself, as only `native` lets it.
    fn is_native_alone(&self) -> bool {
        let is_served = |name: &str| self.dialects.get(name).is_some_and(|dialect| dialect.enabled);
        is_served("native") && !self.dialects.keys().any(|name| name != "native" && is_served(name))
    }

    fn check_links(&self) -> Result<(), ConfigError> {
        let Links { activation, reset, email_reset } = &self.links;
        for (key, link) in [
            ("links.activation", activation),
            ("links.reset", reset),
            ("links.email_reset", email_reset),
        ] {
            let Some(link) = link else { continue };
            if !is_link(link) || !link.contains("{uid}") || !link.contains("{token}") {
                let problem = "must be a URL with {uid} and {token} in it";
                return Err(ConfigError::invalid(key, problem));
            }
            let is_bound = key == "links.reset" && self.is_native_alone();
            if key != "links.activation" && leads_to_an_app(link) && !is_bound {
                return Err(ConfigError::invalid(key, CLAIMED_BY_ANY_APP));
            }
        }
        Ok(())
    }
}

/// Lifetimes of one API.
fn check_lives(name: &str, dialect: &DialectSettings) -> Result<(), ConfigError> {
    let is_life = |seconds| (1..=TEN_YEARS).contains(&seconds);
    let DialectSettings { access_seconds: access, refresh_seconds: refresh, .. } = *dialect;
    let absolute = dialect.absolute_seconds.is_none_or(is_life);
    let grace = dialect.grace_seconds.is_none_or(|seconds| (0..=MAX_GRACE).contains(&seconds));
    let rules = [
        (is_life(access), "access_seconds", "must be from 1 to ten years"),
        (is_life(refresh), "refresh_seconds", "must be from 1 to ten years"),
        (access <= refresh, "access_seconds", "must not be above refresh_seconds"),
        (absolute, "absolute_seconds", "must be from 1 to ten years"),
        (grace, "grace_seconds", "must be from 0 to 60"),
    ];
    match rules.into_iter().find(|(is_sound, ..)| !is_sound) {
        None => Ok(()),
        Some((_, setting, problem)) => {
            Err(ConfigError::invalid(format!("dialects.{name}.{setting}"), problem))
        }
    }
}

impl Product {
    fn check(&self) -> Result<(), ConfigError> {
        let invalid =
            |key: &'static str, problem: &'static str| Err(ConfigError::invalid(key, problem));
        if self.name.as_deref().is_some_and(|name| display_name(name).as_deref() != Some(name)) {
            return invalid("product.name", "must be from 1 to 150 characters on one line");
        }
        if self.support.as_deref().is_some_and(|support| !is_support(support)) {
            return invalid("product.support", "must be an e-mail address or an https:// link");
        }
        Ok(())
    }
}

/// Whether people can be sent there: an address, or a page without anything hidden in its link.
fn is_support(text: &str) -> bool {
    let is_page = url::Url::parse(text).is_ok_and(|url| {
        url.scheme() == "https" && url.username().is_empty() && url.password().is_none()
    });
    let is_word = !text.chars().any(|c| c.is_control() || c.is_whitespace() || "<>\"".contains(c));
    is_word && (is_page || Email::parse(text).is_some())
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

/// Quotes that may stand around a value, as shells and as word processors write them.
const QUOTES: [(char, char); 9] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('“', '”'),
    ('”', '”'),
    ('„', '“'),
    ('‘', '’'),
    ('’', '’'),
    ('«', '»'),
];

/// What an editor, a shell, a copied text or a container's file of variables has left around a secret
/// or in it.
pub fn flaw(secret: &str) -> Option<&'static str> {
    let is_quoted = |(open, close): &(char, char)| {
        secret.strip_prefix(*open).is_some_and(|rest| rest.ends_with(*close))
    };
    let breaks_a_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if secret.starts_with('\u{feff}') {
        Some("begins with a byte order mark; save it without")
    } else if secret.trim() != secret {
        Some("has a blank or a line end before or behind it; remove it")
    } else if QUOTES.iter().any(is_quoted) {
        Some("stands in quotes, which would be part of it; remove them")
    } else if secret.contains(['\u{feff}', '\u{200b}', '\u{2060}']) {
        Some("has a character in it that shows nothing (U+FEFF, U+200B or U+2060); remove it")
    } else if secret.contains(breaks_a_line) {
        Some("has a line end or another control character in it; it is one line")
    } else {
        None
    }
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

/// Whether it leads to a scheme of an app's own.
fn leads_to_an_app(link: &str) -> bool {
    !link.starts_with("http://") && !link.starts_with("https://")
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
