//! Builds providers from settings: the known ones with their defaults, and the checks.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;

use super::address::{AllowedHosts, is_own};
use super::outbound::Outbound;
use super::{Endpoints, Kind, Provider};
use crate::config::{Outbound as OutboundSettings, ProviderSettings};

/// A provider's name, and the error in its settings.
pub type Problem = (String, String);

/// The known providers, without the client ids that enable them.
pub fn defaults() -> BTreeMap<String, ProviderSettings> {
    let some = |text: &str| Some(text.to_owned());
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    BTreeMap::from([
        (
            "google".to_owned(),
            ProviderSettings {
                title: some("Google"),
                scope: some("openid email profile"),
                issuer: some("https://accounts.google.com"),
                authorize_url: some("https://accounts.google.com/o/oauth2/v2/auth"),
                token_url: some("https://oauth2.googleapis.com/token"),
                userinfo_url: some("https://www.googleapis.com/oauth2/v3/userinfo"),
                ..ProviderSettings::default()
            },
        ),
        (
            "mail_ru".to_owned(),
            ProviderSettings {
                title: some("Mail.ru"),
                scope: some("userinfo"),
                authorize_url: some("https://oauth.mail.ru/login"),
                token_url: some("https://oauth.mail.ru/token"),
                userinfo_url: some("https://oauth.mail.ru/userinfo"),
                mail_domains: texts(&[
                    "mail.ru",
                    "inbox.ru",
                    "list.ru",
                    "bk.ru",
                    "internet.ru",
                    "xmail.ru",
                ]),
                ..ProviderSettings::default()
            },
        ),
        (
            "vk".to_owned(),
            ProviderSettings {
                title: some("VK ID"),
                scope: some("email"),
                authorize_url: some("https://id.vk.ru/authorize"),
                token_url: some("https://id.vk.ru/oauth2/auth"),
                userinfo_url: some("https://id.vk.ru/oauth2/user_info"),
                ..ProviderSettings::default()
            },
        ),
        (
            "yandex".to_owned(),
            ProviderSettings {
                title: some("Yandex"),
                authorize_url: some("https://oauth.yandex.ru/authorize"),
                token_url: some("https://oauth.yandex.ru/token"),
                userinfo_url: some("https://login.yandex.ru/info"),
                mail_domains: texts(&[
                    "yandex.ru",
                    "ya.ru",
                    "yandex.com",
                    "yandex.by",
                    "yandex.kz",
                    "yandex.ua",
                    "yandex.uz",
                    "yandex.com.tr",
                ]),
                ..ProviderSettings::default()
            },
        ),
    ])
}

/// Checks all settings without sending a request.
pub fn check(
    settings: &BTreeMap<String, ProviderSettings>,
    outbound: &OutboundSettings,
) -> Result<(), Problem> {
    for (name, settings) in settings {
        provider(name, settings, outbound, "http://localhost").map(drop)?;
    }
    Ok(())
}

/// Builds a provider from its settings; without a client id only to check them.
pub(super) fn provider(
    name: &str,
    settings: &ProviderSettings,
    outbound: &OutboundSettings,
    public_url: &str,
) -> Result<Provider, Problem> {
    build(name, settings, outbound, public_url).map_err(|problem| (name.to_owned(), problem))
}

fn build(
    name: &str,
    settings: &ProviderSettings,
    outbound: &OutboundSettings,
    public_url: &str,
) -> Result<Provider, String> {
    let (kind, path) = kind_and_path(name)?;
    if settings.client_id.as_deref().is_some_and(|id| id.trim().is_empty()) {
        // A token without a client would be accepted as ours.
        return Err("client_id is empty".to_owned());
    }
    let read = |key, url: &Option<String>| {
        url.as_deref().map(|url| endpoint(key, url, outbound)).transpose()
    };
    let issuer = read("issuer", &settings.issuer)?;
    if matches!(kind, Kind::Oidc(_)) && issuer.is_none() {
        return Err("issuer is missing: its endpoints are discovered there".to_owned());
    }
    let authorize = read("authorize_url", &settings.authorize_url)?;
    let token = read("token_url", &settings.token_url)?;
    let userinfo = read("userinfo_url", &settings.userinfo_url)?;
    let next_to_userinfo = || userinfo.as_ref().and_then(|url| url.join("tokeninfo").ok());
    let tokeninfo = read("tokeninfo_url", &settings.tokeninfo_url)?.or_else(next_to_userinfo);
    let mut allowed_hosts = AllowedHosts::new(outbound.internal_networks.clone());
    for url in [&issuer, &authorize, &token, &userinfo, &tokeninfo].into_iter().flatten() {
        allowed_hosts.include(url);
    }
    let timeout = Duration::from_secs(outbound.timeout_seconds);
    let domains = settings.mail_domains.iter();
    Ok(Provider {
        name: name.to_owned(),
        title: settings.title.clone().unwrap_or_else(|| name.to_owned()),
        client_id: settings.client_id.clone().unwrap_or_default(),
        other_client_ids: settings.other_client_ids.clone(),
        client_secret: secret(&kind, settings),
        scope: settings.scope.clone().unwrap_or_else(|| default_scope(&kind).to_owned()),
        kind,
        issuer: settings.issuer.clone(),
        mail_domains: domains.map(|domain| domain.to_ascii_lowercase()).collect(),
        endpoints: Endpoints { authorize, token, userinfo, tokeninfo },
        redirect_uri: format!("{public_url}{path}/callback"),
        callback_path: format!("{path}/callback"),
        outbound: Outbound::new(allowed_hosts, timeout, settings.ca_file.as_deref())?,
    })
}

/// The kind of a provider with this name, and the first part of its paths here.
fn kind_and_path(name: &str) -> Result<(Kind, String), String> {
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    if name.is_empty() || name.len() > 32 || !name.bytes().all(is_name) {
        return Err("a name must have 1 to 32 lower-case letters, digits, - and _".to_owned());
    }
    Ok(match name {
        "google" => (Kind::Google, "/google".to_owned()),
        "vk" => (Kind::Vk, "/vk".to_owned()),
        "yandex" => (Kind::Yandex, "/yandex".to_owned()),
        "mail_ru" => (Kind::MailRu, "/mail.ru".to_owned()),
        other => (Kind::Oidc(Box::default()), format!("/providers/{other}")),
    })
}

/// Whether a provider with this name is an OpenID Connect provider.
pub fn is_openid_connect(name: &str) -> bool {
    matches!(kind_and_path(name), Ok((Kind::Oidc(_), _)))
}

fn default_scope(kind: &Kind) -> &'static str {
    match kind {
        Kind::Oidc(_) => "openid email profile",
        Kind::Google | Kind::Vk | Kind::Yandex | Kind::MailRu => "",
    }
}

/// VK ID's exchange uses no secret: PKCE authenticates the client.
fn secret(kind: &Kind, settings: &ProviderSettings) -> Option<String> {
    let secret = settings.client_secret.as_ref().filter(|_| !matches!(kind, Kind::Vk));
    secret.map(|secret| secret.expose().to_owned())
}

/// An encrypted URL, or one on this machine or in a private network.
pub fn endpoint(key: &str, text: &str, outbound: &OutboundSettings) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|_| format!("{key} is not a URL"))?;
    // Where a name resolves to is checked at its lookup.
    let may_be_own =
        is_own(&url) || (url.domain().is_some() && !outbound.internal_networks.is_empty());
    let is_web = url.scheme() == "https" || (url.scheme() == "http" && may_be_own);
    let is_plain =
        url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    match is_web && url.has_host() && is_plain {
        true => Ok(url),
        false => Err(format!("{key} must be https:// (http:// only to an own machine or network)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str, change: impl FnOnce(&mut ProviderSettings)) -> Option<String> {
        let mut settings = defaults().remove(name).unwrap_or_default();
        change(&mut settings);
        let outbound = OutboundSettings::default();
        provider(name, &settings, &outbound, "https://a.example").err().map(|(_, problem)| problem)
    }

    #[test]
    fn defaults_are_valid() {
        for name in ["google", "vk", "yandex", "mail_ru"] {
            assert_eq!(problem(name, |_| {}), None, "{name}");
        }
        assert_eq!(defaults().len(), 4);
    }

    #[test]
    fn endpoint_is_encrypted_unless_it_is_internal() {
        for url in [
            "https://id.example.com/x",
            "http://127.0.0.1:9400/x",
            "http://localhost/",
            "http://id.localhost:9400/",
            "http://10.1.1.1/",
        ] {
            assert_eq!(problem("vk", |vk| vk.token_url = Some(url.to_owned())), None, "{url}");
        }
        for url in [
            "http://id.example.com/x",
            "http://8.8.8.8/",
            "ftp://id.example.com/",
            "file:///x",
            "https://a@id.example.com/",
            "https://a:b@id.example.com/",
            "https://id.example.com/#x",
            "id.example.com",
            "",
        ] {
            assert!(problem("vk", |vk| vk.token_url = Some(url.to_owned())).is_some(), "{url}");
        }
    }

    #[test]
    fn endpoint_in_a_private_network_needs_no_encryption() {
        let corp = ProviderSettings {
            issuer: Some("http://id.internal.example".to_owned()),
            ..ProviderSettings::default()
        };
        for (networks, is_sound) in [(vec![], false), (vec!["10.0.0.0/8"], true)] {
            let networks = networks.into_iter().map(|network| network.parse().expect("a network"));
            let outbound = OutboundSettings {
                internal_networks: networks.collect(),
                ..OutboundSettings::default()
            };
            let made = provider("corp", &corp, &outbound, "https://a.example");
            assert_eq!(made.is_ok(), is_sound);
        }
    }

    #[test]
    fn provider_with_its_own_name_needs_an_issuer_and_a_plain_name() {
        let issuer =
            |corp: &mut ProviderSettings| corp.issuer = Some("https://id.example.com".to_owned());
        assert_eq!(problem("corp-id_2", issuer), None);
        assert!(problem("corp", |_| {}).is_some());
        for name in ["", "Corp", "a/b", "a.b", "корп", &"x".repeat(33)] {
            assert!(problem(name, issuer).is_some(), "{name}");
        }
    }

    #[test]
    fn ca_file_must_contain_a_certificate() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = folder.path().join("ca.pem");
        let with_file = |vk: &mut ProviderSettings| vk.ca_file = Some(file.clone());
        assert!(problem("vk", with_file).is_some_and(|problem| problem.contains("ca.pem")));
        std::fs::write(&file, "no certificate").expect("a file");
        assert!(problem("vk", with_file).is_some_and(|problem| problem.contains("no certificate")));
    }

    #[test]
    fn tokeninfo_is_next_to_userinfo() {
        let google = defaults().remove("google").expect("it is known");
        let outbound = OutboundSettings::default();
        let google =
            provider("google", &google, &outbound, "https://a.example").expect("sound settings");
        let url = google.endpoints.tokeninfo.map(String::from);
        assert_eq!(url.as_deref(), Some("https://www.googleapis.com/oauth2/v3/tokeninfo"));
        assert_eq!(google.redirect_uri, "https://a.example/google/callback");
    }
}
