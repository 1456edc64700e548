//! Checks what the types of the settings cannot say, section by section. Every error has the full
//! key of the setting and says what is allowed.

mod apis;
mod secrets;
mod urls;

use std::borrow::Cow;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

pub use self::secrets::flaw;
use self::secrets::weakness;
use self::urls::{is_base_url, is_link, is_origin, is_support, leads_to, leads_to_an_app};
use super::{
    Accounts, Adopt, Config, ConfigError, Cors, DialectSettings, Hashing, Http, Limits, Links,
    Mail, Metrics, Outbound, Product, Redirects, Secret, Signing, Tokens, Webhooks,
};
use crate::readable::display_name;
use crate::redirect::may_be_registered;

/// What prevents guesses, without a limit on attempts.
const LEAST_METRICS_TOKEN: usize = 32;
const CONNECTIONS: RangeInclusive<usize> = 1..=1_000_000;
const IDLE_SECONDS: RangeInclusive<u64> = 1..=3600;
/// At most what RFC 5321 section 4.5.3.2 gives a mail server at the end of a mail.
const MAIL_TIMEOUT_SECONDS: RangeInclusive<u64> = 1..=600;
/// At most as long as a user waits for an answer in a browser.
const OUTBOUND_TIMEOUT_SECONDS: RangeInclusive<u64> = 1..=60;
/// At least as long as others may cache the published keys.
const KEY_OVERLAP_SECONDS: RangeInclusive<i64> = 300..=7 * 24 * 3600;
/// During the grace period a stolen refresh token is not detected, so it must be short.
const GRACE_SECONDS: RangeInclusive<i64> = 0..=60;
/// Other systems keep numbers in 31 bits, and there must be room above the first one.
pub const MAX_FIRST_ID: i64 = 1 << 30;
const FIRST_IDS: RangeInclusive<i64> = 1..=MAX_FIRST_ID;
/// What URLs of databases begin with.
const ENGINES: [&str; 3] = ["sqlite://", "postgres://", "postgresql://"];
/// Algorithms of a Django's hashers whose hashes can be verified here.
const DJANGO_HASHERS: [&str; 11] = [
    "argon2",
    "bcrypt",
    "bcrypt_sha256",
    "md5",
    "pbkdf2_sha1",
    "pbkdf2_sha256",
    "pbkdf2_sha512",
    "scrypt",
    "sha1",
    "unsalted_md5",
    "unsalted_sha1",
];
/// From UTC-12:00 to UTC+14:00.
const UTC_OFFSETS: RangeInclusive<i64> = -720..=840;
const SESSIONS: RangeInclusive<i64> = 1..=1_000_000;
const EVENT_DAYS: RangeInclusive<i64> = 1..=3_650;
const TEN_YEARS: i64 = 10 * 366 * 24 * 3600;
const LIFETIMES: RangeInclusive<i64> = 1..=TEN_YEARS;
/// An app that receives such a link can set another password.
const CLAIMED_BY_ANY_APP: &str = "must not lead to an app's own scheme, which any app can claim; use \
                                  an https:// link that the app has claimed (Universal Link, App \
                                  Link). Where native is the only API that is on, links.reset may: \
                                  the link then works only for the app that asked with a \
                                  code_challenge";

type Checked = Result<(), ConfigError>;

fn require(
    is_met: bool,
    key: impl Into<Cow<'static, str>>,
    problem: impl Into<Cow<'static, str>>,
) -> Checked {
    match is_met {
        true => Ok(()),
        false => Err(ConfigError::invalid(key, problem)),
    }
}

fn require_range<T: PartialOrd + Display>(
    value: T,
    allowed: &RangeInclusive<T>,
    key: impl Into<Cow<'static, str>>,
) -> Checked {
    let (least, most) = (allowed.start(), allowed.end());
    require(allowed.contains(&value), key, format!("must be from {least} to {most}"))
}

impl Config {
    /// Checks what the types cannot say.
    pub fn check(&self) -> Checked {
        for (key, secret) in self.secrets() {
            if let Some(problem) = flaw(secret.expose()) {
                return Err(ConfigError::invalid(key, problem));
            }
        }
        self.tokens.check(&self.accounts)?;
        self.accounts.check()?;
        self.check_public_url()?;
        for (name, dialect) in &self.dialects {
            dialect.check(name, &self.tokens)?;
        }
        for (name, api) in &self.apis {
            api.check(name)?;
        }
        self.check_own_keys()?;
        self.check_upstreams()?;
        self.http.check()?;
        self.metrics.check(self.listen)?;
        self.mail.check()?;
        self.password.check()?;
        self.limits.check()?;
        self.links.check("links", self.is_native_alone())?;
        self.redirects.check()?;
        self.outbound.check()?;
        self.webhooks.check()?;
        self.cors.check()?;
        self.product.check()?;
        self.adopt.check()?;
        require_range(self.events.keep_days, &EVENT_DAYS, "events.keep_days")?;
        self.check_database_url()
    }

    /// A key speaks for one API, so no two have the same.
    fn check_own_keys(&self) -> Checked {
        let mut keys: Vec<_> =
            self.tokens.secret.iter().map(|key| ("tokens.secret".to_owned(), key)).collect();
        for (name, key) in
            self.apis.iter().filter_map(|(name, api)| Some((name, api.signing_key.as_ref()?)))
        {
            let setting = format!("apis.{name}.signing_key");
            if let Some((other, _)) = keys.iter().find(|(_, other)| *other == key) {
                let problem = format!("is {other} too: a key of its own is good at one API alone");
                return Err(ConfigError::invalid(setting, problem));
            }
            keys.push((setting, key));
        }
        Ok(())
    }

    /// A request that is forwarded to this server would come back for ever.
    fn check_upstreams(&self) -> Checked {
        let parsed = |url: &Option<String>| url::Url::parse(url.as_deref()?).ok();
        let public = parsed(&self.public_url).map(|url| url.origin());
        for (name, api) in &self.apis {
            let Some(url) = parsed(&api.upstream) else { continue };
            let is_own = leads_to(&url, self.listen) || Some(url.origin()) == public;
            let problem = "is this server itself (listen or public_url): set the address at which \
                           the Django answers";
            require(!is_own, format!("apis.{name}.upstream"), problem)?;
        }
        Ok(())
    }

    fn check_public_url(&self) -> Checked {
        let key = "public_url";
        let Some(url) = &self.public_url else {
            let problem = "must be set when the server listens on other than a loopback address";
            require(self.listen.ip().is_loopback(), key, problem)?;
            let problem = "must be set when mail is sent: its links lead there";
            return require(!self.mail.leaves_the_machine(), key, problem);
        };
        let problem = "must be http:// or https:// with a host, without query or fragment";
        require(is_base_url(url), key, problem)
    }

    fn check_database_url(&self) -> Checked {
        let has_engine = |url: &Secret| ENGINES.iter().any(|e| url.expose().starts_with(e));
        let is_known = self.database_url.as_ref().is_none_or(has_engine);
        require(is_known, "database_url", "must begin with sqlite:// or postgres://")?;
        match self.refused_ssl_mode() {
            Some(problem) => Err(ConfigError::invalid("database_url", problem)),
            None => Ok(()),
        }
    }

    /// Whether every app that asks for a reset can bind the link to itself, which only `native`
    /// allows.
    fn is_native_alone(&self) -> bool {
        let is_served = |name: &str| self.dialects.get(name).is_some_and(|dialect| dialect.enabled);
        is_served("native")
            && !self.dialects.keys().any(|name| name != "native" && is_served(name))
            && !self.apis.values().any(|api| api.enabled)
    }
}

impl Tokens {
    fn check(&self, accounts: &Accounts) -> Checked {
        if let Some(problem) = self.secret.as_ref().and_then(|secret| weakness(secret.expose())) {
            return Err(ConfigError::invalid("tokens.secret", problem));
        }
        if self.accept_foreign {
            let key = "tokens.accept_foreign";
            let problem = "needs tokens.secret, the replaced server's key";
            require(self.secret.is_some(), key, problem)?;
            let problem = "needs accounts.first_id, a number above all that the replaced server has \
                           given to its users";
            require(accounts.first_id.is_some(), key, problem)?;
        }
        let is_of_use = self.accept_foreign || self.django_secret_key.is_none();
        require(is_of_use, "tokens.django_secret_key", "needs tokens.accept_foreign")?;
        // Who guesses it makes links for accounts without a password.
        let key = self.django_secret_key.as_ref();
        if let Some(problem) = key.and_then(|key| weakness(key.expose())) {
            return Err(ConfigError::invalid("tokens.django_secret_key", problem));
        }
        let overlap = self.key_overlap_seconds;
        require_range(overlap, &KEY_OVERLAP_SECONDS, "tokens.key_overlap_seconds")?;
        let is_blank = self.audience.as_ref().is_some_and(|audience| audience.trim().is_empty());
        require(!is_blank, "tokens.audience", "must not be blank")
    }
}

impl Accounts {
    fn check(&self) -> Checked {
        match self.first_id {
            Some(first) => require_range(first, &FIRST_IDS, "accounts.first_id"),
            None => Ok(()),
        }
    }
}

impl Adopt {
    fn check(&self) -> Checked {
        let has_engine = |url: &Secret| ENGINES.iter().any(|e| url.expose().starts_with(e));
        let is_known = self.look_up.as_ref().is_none_or(has_engine);
        require(is_known, "adopt.look_up", "must begin with sqlite:// or postgres://")?;
        // A name with an error in it would refuse the hashes that it means.
        let is_hasher = |name: &String| DJANGO_HASHERS.contains(&name.as_str());
        let problem = format!("must be a list of some of {}", DJANGO_HASHERS.join(", "));
        let are_known = self.password_hashers.iter().all(is_hasher);
        require(are_known, "adopt.password_hashers", problem)?;
        require_range(self.link_seconds, &LIFETIMES, "adopt.link_seconds")?;
        require_range(self.utc_offset_minutes, &UTC_OFFSETS, "adopt.utc_offset_minutes")
    }
}

impl DialectSettings {
    fn check(&self, name: &str, tokens: &Tokens) -> Checked {
        let key = |setting| format!("dialects.{name}.{setting}");
        let (access, refresh) = (self.access_seconds, self.refresh_seconds);
        require_range(access, &LIFETIMES, key("access_seconds"))?;
        require_range(refresh, &LIFETIMES, key("refresh_seconds"))?;
        let problem = format!("must not be above refresh_seconds, {refresh}");
        require(access <= refresh, key("access_seconds"), problem)?;
        require_range(self.max_sessions, &SESSIONS, key("max_sessions"))?;
        let optional = [
            (self.absolute_seconds, LIFETIMES, "absolute_seconds"),
            (self.grace_seconds, GRACE_SECONDS, "grace_seconds"),
            (self.early_refresh_seconds, 0..=TEN_YEARS, "early_refresh_seconds"),
        ];
        for (value, allowed, setting) in optional {
            value.map_or(Ok(()), |value| require_range(value, &allowed, key(setting)))?;
        }
        let is_sound = self.signing != Some(Signing::Shared) || tokens.accept_foreign;
        require(is_sound, key("signing"), "shared needs tokens.accept_foreign")
    }
}

impl Http {
    fn check(&self) -> Checked {
        require_range(self.max_connections, &CONNECTIONS, "http.max_connections")?;
        require_range(self.idle_seconds, &IDLE_SECONDS, "http.idle_seconds")
    }
}

impl Metrics {
    fn check(&self, public: SocketAddr) -> Checked {
        let collides = self.listen.is_some_and(|own| are_one_place(own, public));
        let problem = "must not be the address of listen: metrics have a listener of their own";
        require(!collides, "metrics.listen", problem)?;
        let key = "metrics.token";
        let is_token = |token: &str| {
            token.len() >= LEAST_METRICS_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let is_sound = self.token.as_ref().is_none_or(|token| is_token(token.expose()));
        let problem = "must have at least 32 characters, all of them visible ASCII; make one, for \
                       example with: openssl rand -hex 32";
        require(is_sound, key, problem)?;
        let is_open = self.listen.is_some_and(|address| !address.ip().is_loopback());
        let problem = "must be set when metrics.listen is other than a loopback address";
        require(!is_open || self.token.is_some(), key, problem)
    }
}

/// Whether the system lets only one of two listeners have these addresses. Port 0 is any free one.
fn are_one_place(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    let covers = |all: IpAddr, ip: IpAddr| all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4());
    one.port() != 0 && one.port() == other.port() && (a == b || covers(a, b) || covers(b, a))
}

impl Mail {
    fn check(&self) -> Checked {
        require_range(self.timeout_seconds, &MAIL_TIMEOUT_SECONDS, "mail.timeout_seconds")
    }

    /// Whether mail leaves this machine, and so reaches users who cannot open a loopback address.
    fn leaves_the_machine(&self) -> bool {
        let url = self.smtp_url.as_ref().and_then(|url| url::Url::parse(url.expose()).ok());
        let host = url.as_ref().and_then(url::Url::host_str).unwrap_or("localhost");
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host != "localhost" && !address.is_ok_and(|address| address.is_loopback())
    }
}

impl Hashing {
    fn check(&self) -> Checked {
        require(self.threads > 0, "password.threads", "must be at least 1")?;
        require(self.queue > 0, "password.queue", "must be at least 1")
    }
}

impl Limits {
    fn check(&self) -> Checked {
        let is_sound = self.hashes_per_address != Some(0);
        require(is_sound, "limits.hashes_per_address", "must be at least 1")
    }
}

impl Links {
    /// `section` has these settings.
    fn check(&self, section: &str, is_native_alone: bool) -> Checked {
        let Links { activation, reset, email_reset } = self;
        for (setting, link, may_be_an_apps) in [
            ("activation", activation, true),
            ("reset", reset, is_native_alone),
            ("email_reset", email_reset, false),
        ] {
            let Some(link) = link else { continue };
            let key = format!("{section}.{setting}");
            let is_sound = is_link(link) && link.contains("{uid}") && link.contains("{token}");
            require(is_sound, key.clone(), "must be a URL with {uid} and {token} in it")?;
            require(may_be_an_apps || !leads_to_an_app(link), key, CLAIMED_BY_ANY_APP)?;
        }
        Ok(())
    }
}

impl Redirects {
    fn check(&self) -> Checked {
        let are_sound = self.allowed.iter().all(|redirect| may_be_registered(redirect));
        let problem = "must be https:// links, links of an app's own scheme, or http://127.0.0.1 \
                       and http://[::1] ones, written as browsers write them, without fragment, \
                       user or wildcard";
        require(are_sound, "redirects.allowed", problem)
    }
}

impl Outbound {
    fn check(&self) -> Checked {
        let key = "outbound.timeout_seconds";
        require_range(self.timeout_seconds, &OUTBOUND_TIMEOUT_SECONDS, key)
    }
}

impl Webhooks {
    fn check(&self) -> Checked {
        let (has_url, has_secret) = (self.url.is_some(), self.secret.is_some());
        require(has_secret || !has_url, "webhooks.secret", "must be set when webhooks.url is")?;
        require(has_url || !has_secret, "webhooks.url", "must be set when webhooks.secret is")?;
        match self.secret.as_ref().and_then(|secret| weakness(secret.expose())) {
            Some(problem) => Err(ConfigError::invalid("webhooks.secret", problem)),
            None => Ok(()),
        }
    }
}

impl Cors {
    fn check(&self) -> Checked {
        let are_sound = self.origins.iter().all(|origin| is_origin(origin));
        require(are_sound, "cors.origins", "must be origins such as https://app.example.com")
    }
}

impl Product {
    fn check(&self) -> Checked {
        let is_name = |name: &str| display_name(name).as_deref() == Some(name);
        let problem = "must be from 1 to 150 characters on one line";
        require(self.name.as_deref().is_none_or(is_name), "product.name", problem)?;
        let problem = "must be an e-mail address or an https:// link";
        require(self.support.as_deref().is_none_or(is_support), "product.support", problem)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    type Change = fn(&mut Config);

    fn problem(change: Change) -> Option<String> {
        let mut config = Config::default();
        change(&mut config);
        config.check().err().map(|error| error.to_string())
    }

    #[test]
    fn default_settings_are_sound() {
        assert_eq!(problem(|_| ()), None);
    }

    #[test]
    fn listeners_collide_on_one_port_of_one_address_or_of_all() {
        let collide = |one: &str, other: &str| {
            let [one, other] = [one, other].map(|text| text.parse().expect("an address"));
            let found = are_one_place(one, other);
            assert_eq!(found, are_one_place(other, one));
            found
        };
        for (one, other) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("127.0.0.1:80", "0.0.0.0:80"),
            ("127.0.0.1:80", "[::]:80"),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80"),
            ("[::1]:80", "[::]:80"),
        ] {
            assert!(collide(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("127.0.0.1:80", "127.0.0.1:81"),
            ("127.0.0.1:80", "127.0.0.2:80"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:80", "0.0.0.0:80"),
        ] {
            assert!(!collide(one, other), "{one} {other}");
        }
    }

    #[test]
    fn error_names_the_full_key_and_the_value_allowed() {
        let cases: [(Change, &str); 22] = [
            (
                |c| c.tokens.secret = Some(Secret::new("short")),
                "tokens.secret: must have at least 32 bytes",
            ),
            (
                |c| c.tokens.key_overlap_seconds = 299,
                "tokens.key_overlap_seconds: must be from 300 to 604800",
            ),
            (|c| c.tokens.audience = Some(" ".to_owned()), "tokens.audience: must not be blank"),
            (
                |c| c.tokens.django_secret_key = Some(Secret::new("key")),
                "tokens.django_secret_key: needs tokens.accept_foreign",
            ),
            (
                |c| {
                    c.tokens.secret = Some(Secret::new("0123456789abcdef0123456789abcdef"));
                    c.tokens.django_secret_key = Some(Secret::new(""));
                    c.tokens.accept_foreign = true;
                    c.accounts.first_id = Some(1);
                },
                "tokens.django_secret_key: must have at least 32 bytes",
            ),
            (
                |c| c.tokens.accept_foreign = true,
                "tokens.accept_foreign: needs tokens.secret, the replaced server's key",
            ),
            (|c| c.accounts.first_id = Some(0), "accounts.first_id: must be from 1 to 1073741824"),
            (
                |c| c.public_url = Some("auth.example.com".to_owned()),
                "public_url: must be http:// or https:// with a host, without query or fragment",
            ),
            (
                |c| c.metrics.token = Some(Secret::new("short")),
                "metrics.token: must have at least 32 characters, all of them visible ASCII; make \
                 one, for example with: openssl rand -hex 32",
            ),
            (
                |c| c.metrics.listen = Some(SocketAddr::from(([0, 0, 0, 0], 9000))),
                "metrics.token: must be set when metrics.listen is other than a loopback address",
            ),
            (
                |c| c.metrics.listen = Some(c.listen),
                "metrics.listen: must not be the address of listen: metrics have a listener of \
                 their own",
            ),
            (|c| c.http.max_connections = 0, "http.max_connections: must be from 1 to 1000000"),
            (|c| c.http.idle_seconds = 3601, "http.idle_seconds: must be from 1 to 3600"),
            (|c| c.mail.timeout_seconds = 0, "mail.timeout_seconds: must be from 1 to 600"),
            (|c| c.password.threads = 0, "password.threads: must be at least 1"),
            (|c| c.password.queue = 0, "password.queue: must be at least 1"),
            (
                |c| c.limits.hashes_per_address = Some(0),
                "limits.hashes_per_address: must be at least 1",
            ),
            (
                |c| c.links.activation = Some("https://example.com".to_owned()),
                "links.activation: must be a URL with {uid} and {token} in it",
            ),
            (|c| c.outbound.timeout_seconds = 61, "outbound.timeout_seconds: must be from 1 to 60"),
            (
                |c| c.cors.origins = vec!["*".to_owned()],
                "cors.origins: must be origins such as https://app.example.com",
            ),
            (
                |c| c.product.support = Some("help".to_owned()),
                "product.support: must be an e-mail address or an https:// link",
            ),
            (
                |c| c.database_url = Some(Secret::new("mysql://db")),
                "database_url: must begin with sqlite:// or postgres://",
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(problem(change).as_deref(), Some(expected));
        }
    }

    #[test]
    fn error_about_a_dialect_names_the_dialect() {
        let cases: [(Change, &str); 7] = [
            (
                |c| c.dialect("native").access_seconds = 0,
                "native.access_seconds: must be from 1 to 316224000",
            ),
            (
                |c| c.dialect("simplejwt").refresh_seconds = 1,
                "simplejwt.access_seconds: must not be above refresh_seconds, 1",
            ),
            (
                |c| c.dialect("djoser_jwt").max_sessions = 0,
                "djoser_jwt.max_sessions: must be from 1 to 1000000",
            ),
            (
                |c| c.dialect("native").grace_seconds = Some(61),
                "native.grace_seconds: must be from 0 to 60",
            ),
            (
                |c| c.dialect("native").absolute_seconds = Some(0),
                "native.absolute_seconds: must be from 1 to 316224000",
            ),
            (
                |c| c.dialect("simplejwt_rotating").early_refresh_seconds = Some(-1),
                "simplejwt_rotating.early_refresh_seconds: must be from 0 to 316224000",
            ),
            (
                |c| c.dialect("prehashed").signing = Some(Signing::Shared),
                "prehashed.signing: shared needs tokens.accept_foreign",
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(problem(change), Some(format!("dialects.{expected}")));
        }
    }
}
