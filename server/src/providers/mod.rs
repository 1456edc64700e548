//! Providers to sign in with: Google, VK ID, Yandex, Mail.ru, and any OpenID Connect provider. This
//! module sends requests to them and reads their answers; the domain decides what follows for
//! accounts.

mod address;
mod google;
mod mail_ru;
mod oauth;
mod oidc;
mod outbound;
mod profile;
mod settings;
mod vk;
mod yandex;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};

pub use self::oauth::{Code, Grant};
pub use self::outbound::{Outbound, ProviderRequest, words_of};
pub use self::profile::{Profile, loggable};
pub use self::settings::{Problem, check, defaults, endpoint, is_openid_connect};
use crate::config::{Outbound as OutboundSettings, ProviderSettings};
use crate::error::ProviderFault;
use oidc::Oidc;
use outbound::Reply;

/// Why a provider's answer could not be obtained. For the log only, without tokens and URLs.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error("it refuses the code or token ({0})")]
    Refused(String),
    #[error("the token was issued to another application")]
    Foreign,
    #[error("it answers with status {0}")]
    Status(u16),
    #[error("its answer cannot be used: {0}")]
    Unusable(&'static str),
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("its address is not allowed")]
    Blocked,
}

impl From<&ProviderError> for ProviderFault {
    fn from(error: &ProviderError) -> Self {
        match error {
            ProviderError::Refused(_) | ProviderError::Foreign => ProviderFault::Refused,
            ProviderError::Status(status) => ProviderFault::Status(*status),
            ProviderError::Unusable(_) => ProviderFault::Unusable,
            ProviderError::Unreachable(_) | ProviderError::Blocked => ProviderFault::Unreachable,
        }
    }
}

/// The configured providers, by name.
#[derive(Default)]
pub struct Providers(BTreeMap<String, Provider>);

impl Providers {
    /// Only those with a client id; the settings of the others must be valid too.
    pub fn new(
        settings: &BTreeMap<String, ProviderSettings>,
        outbound: &OutboundSettings,
        public_url: &str,
    ) -> Result<Self, Problem> {
        let mut providers = BTreeMap::new();
        for (name, settings) in settings {
            let provider = settings::provider(name, settings, outbound, public_url)?;
            if settings.client_id.is_some() {
                providers.insert(name.clone(), provider);
            }
        }
        Ok(Providers(providers))
    }

    pub fn get(&self, name: &str) -> Option<&Provider> {
        self.0.get(name)
    }

    /// Ordered by name.
    pub fn all(&self) -> impl Iterator<Item = &Provider> {
        self.0.values()
    }
}

/// A provider, ready for requests.
pub struct Provider {
    name: String,
    title: String,
    kind: Kind,
    client_id: String,
    other_client_ids: Vec<String>,
    client_secret: Option<String>,
    scope: String,
    issuer: Option<String>,
    mail_domains: Vec<String>,
    endpoints: Endpoints,
    callback_path: String,
    redirect_uri: String,
    outbound: Outbound,
}

/// The kinds of providers.
enum Kind {
    Google,
    Vk,
    Yandex,
    MailRu,
    Oidc(Box<Oidc>),
}

/// As configured; discovery supplies the missing ones.
#[derive(Default)]
struct Endpoints {
    authorize: Option<Url>,
    token: Option<Url>,
    userinfo: Option<Url>,
    tokeninfo: Option<Url>,
}

/// The parameters of an authorize URL.
pub struct Authorize<'a> {
    pub state: &'a str,
    /// S256 of the code verifier (RFC 7636 section 4.2).
    pub challenge: &'a str,
    pub nonce: &'a str,
    pub redirect_uri: Option<&'a str>,
}

impl Provider {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name for users.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The issuer of an OpenID Connect provider, on which its subjects depend.
    pub fn issuer(&self) -> Option<&str> {
        match self.kind {
            Kind::Oidc(_) => self.issuer.as_deref(),
            Kind::Google | Kind::Vk | Kind::Yandex | Kind::MailRu => None,
        }
    }

    /// The path of its redirect URI.
    pub fn callback_path(&self) -> &str {
        &self.callback_path
    }

    /// Its redirect URI.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Whether the documented link contains the redirect URI; Yandex uses the first one that is
    /// registered there.
    pub fn link_names_redirect(&self) -> bool {
        !matches!(self.kind, Kind::Yandex)
    }

    /// Whether a sign-in is bound to a device id of the provider.
    pub fn binds_device(&self) -> bool {
        matches!(self.kind, Kind::Vk)
    }

    /// The URL where a browser signs in.
    pub async fn authorize_url(
        &self,
        ask: &Authorize<'_>,
        now: i64,
    ) -> Result<String, ProviderError> {
        let base = match (&self.endpoints.authorize, &self.kind) {
            (Some(url), _) => url.clone(),
            (None, Kind::Oidc(oidc)) => oidc.discovered(self, now).await?.authorization_endpoint,
            (None, _) => return Err(ProviderError::Unusable("no authorize_url")),
        };
        let pairs = match &self.kind {
            Kind::Google => google::authorize(self, ask),
            Kind::Vk => vk::authorize(self, ask),
            Kind::Yandex => yandex::authorize(self, ask),
            Kind::MailRu => mail_ru::authorize(self, ask),
            Kind::Oidc(_) => oidc::authorize(self, ask),
        };
        Ok(with_query(base.as_str(), &pairs))
    }

    /// Compares the issuer in a callback (RFC 9207) with the provider of the sign-in.
    pub async fn is_issuer(&self, iss: Option<&str>, now: i64) -> Result<bool, ProviderError> {
        match (iss, &self.kind) {
            (iss, Kind::Oidc(oidc)) => {
                let promised = oidc.discovered(self, now).await?.promises_iss;
                Ok(iss.map_or(!promised, |iss| Some(iss) == self.issuer.as_deref()))
            }
            (Some(iss), Kind::Google) => Ok(google::is_issuer(iss, self.issuer.as_deref())),
            (Some(iss), _) => Ok(self.issuer_of_url().as_deref() == Some(iss)),
            (None, _) => Ok(true),
        }
    }

    /// For a provider without a documented issuer: the origin of its authorize URL.
    fn issuer_of_url(&self) -> Option<String> {
        let of_url = || Some(self.endpoints.authorize.as_ref()?.origin().ascii_serialization());
        self.issuer.clone().or_else(of_url)
    }

    /// Exchanges a code for tokens.
    pub async fn exchange(&self, code: &Code<'_>, now: i64) -> Result<Grant, ProviderError> {
        match &self.kind {
            Kind::Vk => oauth::exchange(self, code, &vk::exchange(code)?).await,
            Kind::Google | Kind::Yandex | Kind::MailRu => oauth::exchange(self, code, &[]).await,
            Kind::Oidc(oidc) => oidc.exchange(self, code, now).await,
        }
    }

    /// The owner of the tokens of an exchange.
    pub async fn owner(
        &self,
        grant: &Grant,
        nonce: &str,
        now: i64,
    ) -> Result<Profile, ProviderError> {
        match &self.kind {
            Kind::Oidc(oidc) => oidc.owner(self, grant, nonce, now).await,
            Kind::Google | Kind::Vk | Kind::Yandex | Kind::MailRu => {
                self.profile(&grant.access_token).await
            }
        }
    }

    /// The owner of an access token that was issued to us; a token of another application is
    /// refused.
    pub async fn profile(&self, access_token: &str) -> Result<Profile, ProviderError> {
        match &self.kind {
            Kind::Google => google::profile(self, access_token).await,
            Kind::Vk => vk::profile(self, access_token).await,
            Kind::Yandex => yandex::profile(self, access_token).await,
            Kind::MailRu => mail_ru::profile(self, access_token).await,
            // An access token alone does not say for which client it was issued.
            Kind::Oidc(_) => Err(ProviderError::Foreign),
        }
    }

    /// Whether this client id is one of ours.
    fn is_ours(&self, client_id: &str) -> bool {
        self.client_ids().any(|ours| ours == client_id)
    }

    fn client_ids(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.client_id).chain(&self.other_client_ids)
    }

    /// Whether the provider itself assigns addresses of this domain.
    fn assigns_address(&self, email: &str) -> bool {
        let domain = email.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
        domain.is_some_and(|domain| self.mail_domains.contains(&domain))
    }

    /// Whether the provider's word that this address is verified is trusted.
    fn is_trusted_about(&self, email: &str) -> bool {
        self.mail_domains.is_empty() || self.assigns_address(email)
    }

    /// Sends a request about a token, which is in the body so that it is not in a URL.
    async fn post(&self, url: Url, pairs: &[(&str, &str)]) -> Result<Reply, ProviderError> {
        let headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static("application/json")),
            (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        ]);
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let body = body.into_bytes();
        self.outbound
            .send(ProviderRequest { method: Method::POST, url, headers, body, repeatable: true })
            .await
    }

    fn userinfo_url(&self) -> Result<Url, ProviderError> {
        self.endpoints.userinfo.clone().ok_or(ProviderError::Unusable("no userinfo_url"))
    }
}

/// The header with a token; a token that no header can contain was never issued.
fn bearer(scheme: &str, token: &str) -> Result<HeaderMap, ProviderError> {
    let value = HeaderValue::try_from(format!("{scheme} {token}"));
    let mut value = value.map_err(|_| ProviderError::Refused("no token".to_owned()))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

/// The URL with further parameters in the given order, encoded only if necessary.
fn with_query(base: &str, pairs: &[(&str, &str)]) -> String {
    let mut url = base.to_owned();
    let mut separator = if base.contains('?') { '&' } else { '?' };
    for (name, value) in pairs {
        url.push(separator);
        separator = '&';
        url.push_str(name);
        url.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z'
                | b'A'..=b'Z'
                | b'0'..=b'9'
                | b'-'
                | b'.'
                | b'_'
                | b'~'
                | b':'
                | b'/' => {
                    url.push(char::from(byte));
                }
                // Writing to a string cannot fail.
                _ => drop(write!(url, "%{byte:02X}")),
            }
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_keeps_its_order_and_is_encoded_only_if_necessary() {
        let pairs =
            [("scope", "openid email"), ("redirect_uri", "https://a.example/cb"), ("x", "я&=#+?")];
        assert_eq!(
            with_query("https://id.example/authorize", &pairs),
            "https://id.example/authorize?scope=openid%20email&redirect_uri=https://a.example/cb\
             &x=%D1%8F%26%3D%23%2B%3F"
        );
        assert_eq!(
            with_query("https://id.example/?tenant=7", &[("a", "b")]),
            "https://id.example/?tenant=7&a=b"
        );
    }
}
