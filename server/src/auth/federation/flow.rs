//! Sign-ins with a provider through a browser, in two legs of PKCE: the app's with us, ours with
//! the provider. Here they begin and come back; nothing happens to an account before the app has
//! shown that the sign-in is its own ([`crate::auth::federation::redeem`]).

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::auth::domain::Auth;
use crate::auth::federation::answer::{Callback, Told, code_refused, told};
use crate::auth::secrets::flow_key::challenge_of;
use crate::auth::secrets::random::{hash, random};
use crate::error::{Error, ProviderFault, Result, SignInFault};
use crate::providers::{Authorize, Code, Provider, loggable};
use crate::store::pending_sign_ins::{self, LinkTo, PendingSignIn, Returned as Kept};
use crate::store::{Tx, identities, meta};

/// How long somebody may take at the provider, in seconds.
pub const SIGN_IN_LIFETIME: i64 = 600;
/// How long the app may take to redeem its code, in seconds.
pub const CODE_LIFETIME: i64 = 60;
/// Of a link that is refused, the characters that are logged.
const MAX_PLACE: usize = 200;
/// Longer than anything that a provider sends back.
const MAX_LENGTH: usize = 4_096;

/// An app's part of a sign-in.
pub struct AppLeg {
    /// Where it waits.
    pub redirect: String,
    /// S256 of its code verifier.
    pub challenge: String,
}

/// A sign-in that can go on in a browser; no `Debug`.
pub struct Begun {
    pub authorize_url: String,
    /// Comes back to the app with what came of it.
    pub state: String,
    /// In seconds.
    pub expires_in: i64,
}

/// What a browser's return came to; no `Debug`.
pub struct Returned {
    /// Where the app waits; none: the code is fetched.
    pub redirect: Option<String>,
    pub state: String,
    pub device_id: Option<String>,
    /// The code that the app redeems, or why there is none.
    pub outcome: std::result::Result<String, Failed>,
}

/// Why a sign-in ended at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    Cancelled,
    Refused,
    Unavailable,
}

/// A provider, for people to choose.
pub struct ProviderName<'a> {
    pub name: &'a str,
    pub title: &'a str,
    /// Where its users come back to.
    pub callback_path: &'a str,
}

impl Auth {
    /// The providers that are configured.
    pub fn providers(&self) -> impl Iterator<Item = ProviderName<'_>> {
        self.providers.all().map(|provider| ProviderName {
            name: provider.name(),
            title: provider.title(),
            callback_path: provider.callback_path(),
        })
    }

    /// Whether a provider goes by the name of another, whose people would be taken for its own.
    /// The name of the first one that does is told.
    pub async fn exchanged_provider(&self) -> Result<Option<String>> {
        for provider in self.providers.all() {
            let Some(issuer) = provider.issuer().map(str::to_owned) else { continue };
            let name = provider.name().to_owned();
            let is_same = self.store.write(move |tx| {
                Box::pin(async move {
                    let is_same = !is_exchanged(tx, &name, &issuer).await?;
                    if is_same {
                        meta::set(tx, issuer_of(&name), issuer).await?;
                    }
                    Ok(is_same)
                })
            });
            if !is_same.await? {
                return Ok(Some(provider.name().to_owned()));
            }
        }
        Ok(None)
    }

    /// Notes that a provider's people are the same under this issuer.
    pub async fn provider_moved(&self, name: &str, issuer: &str) -> Result<()> {
        let (name, issuer) = (issuer_of(name), issuer.to_owned());
        self.store.write(move |tx| Box::pin(meta::set(tx, name, issuer))).await
    }

    /// What people call a provider.
    pub fn provider_title(&self, name: &str) -> Option<&str> {
        self.providers.get(name).map(Provider::title)
    }

    /// Begins a sign-in: of an app that waits at a redirect, or without one for who fetches what
    /// comes of it.
    pub async fn begin_sign_in(
        &self,
        provider: &str,
        app: Option<AppLeg>,
        from: IpAddr,
    ) -> Result<Begun> {
        self.begin(provider, app, None, from).await
    }

    pub(in crate::auth) async fn begin(
        &self,
        provider: &str,
        app: Option<AppLeg>,
        link_to: Option<LinkTo>,
        from: IpAddr,
    ) -> Result<Begun> {
        let (provider, now) = (self.provider(provider)?, self.clock.now());
        self.limits.count_sign_in(from, now)?;
        if let Some(app) = &app {
            if !self.redirects.allows(&app.redirect) {
                let redirect = place_of(&app.redirect);
                tracing::info!(redirect, "not in redirects.allowed");
                return Err(SignInFault::RedirectNotAllowed.into());
            }
            if !is_challenge(&app.challenge) {
                return Err(SignInFault::ChallengeInvalid.into());
            }
        }
        let state = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let (challenge, nonce) =
            (challenge_of(&self.flow_key.verifier(&state)), self.flow_key.nonce(&state));
        let named = app.is_some() || provider.link_names_redirect();
        let ask = Authorize {
            state: &state,
            challenge: &challenge,
            nonce: &nonce,
            redirect_uri: named.then(|| provider.redirect_uri()),
        };
        let authorize_url =
            provider.authorize_url(&ask, now).await.map_err(|error| told(provider, &error))?;
        let (redirect, challenge) = app.map(|app| (app.redirect, app.challenge)).unzip();
        let pending = PendingSignIn {
            state_hash: hash(&state),
            provider: provider.name().to_owned(),
            redirect,
            challenge,
            created_at: now,
            expires_at: now + SIGN_IN_LIFETIME,
            sealed: None,
            link_account_id: link_to.as_ref().map(|to| to.account_id),
            link_session_id: link_to.and_then(|to| to.session_id),
            link_by_password: link_to.map(|to| to.by_password),
        };
        self.store
            .write(move |tx| Box::pin(pending_sign_ins::insert_pending_sign_in(tx, pending)))
            .await?;
        Ok(Begun { authorize_url, state, expires_in: SIGN_IN_LIFETIME })
    }

    /// Takes what a browser brings back from a provider. Its state is spent whatever the provider
    /// says then.
    pub async fn return_from_provider(
        &self,
        provider: &str,
        callback: Callback,
        from: IpAddr,
    ) -> Result<Returned> {
        let provider = self.provider(provider)?;
        let state = callback.state.clone().unwrap_or_default();
        let spent = self.spend_state(provider, &state, false);
        let pending = self.limited(from, spent).await?;
        let outcome = match self.what_was_told(provider, &pending, &callback).await {
            // The state is spent: the app begins again rather than the browser.
            Ok(told) => self.keep_for_app(&state, &told).await.map_err(|error| {
                tracing::error!(%error, "what a provider told could not be kept");
                Failed::Unavailable
            }),
            Err(Error::Provider(fault)) => Err(Failed::from(fault)),
            Err(error) => return Err(error),
        };
        let outcome = match (callback.error.as_deref(), outcome) {
            (Some("access_denied"), Err(_)) => Err(Failed::Cancelled),
            (_, outcome) => outcome,
        };
        let device_id = callback.device_id.filter(|_| provider.binds_device());
        Ok(Returned { redirect: pending.redirect, state, device_id, outcome })
    }

    pub(in crate::auth) async fn spend_state(
        &self,
        provider: &Provider,
        state: &str,
        without_redirect: bool,
    ) -> Result<PendingSignIn> {
        let (hash, name, now) = (hash(state), provider.name().to_owned(), self.clock.now());
        let spent = self.store.write(move |tx| {
            Box::pin(pending_sign_ins::spend_state(tx, hash, name, without_redirect, now))
        });
        Ok(spent.await?.ok_or(SignInFault::Unknown)?)
    }

    /// Asks the provider who came back.
    pub(in crate::auth) async fn what_was_told(
        &self,
        provider: &Provider,
        pending: &PendingSignIn,
        callback: &Callback,
    ) -> Result<Told> {
        let now = self.clock.now();
        let refused = || Error::Provider(ProviderFault::Refused);
        let fault = |error| told(provider, &error);
        let is_theirs = provider.is_issuer(callback.iss.as_deref(), now).await.map_err(fault)?;
        let code = callback.code.as_deref().filter(|code| code.len() <= MAX_LENGTH);
        let device_id = callback.device_id.as_deref().filter(|id| id.len() <= MAX_LENGTH);
        if let Some(error) = &callback.error {
            let error = loggable(error);
            let error_description =
                callback.error_description.as_deref().map(loggable).unwrap_or_default();
            let provider = provider.name();
            tracing::warn!(provider, error, error_description, "a provider refused a sign-in");
        }
        let (Some(code), true, None) = (code, is_theirs, &callback.error) else {
            return Err(refused());
        };
        let state = callback.state.as_deref().unwrap_or_default();
        let named = pending.redirect.is_some() || provider.link_names_redirect();
        let code = Code {
            code,
            verifier: &self.flow_key.verifier(state),
            state,
            redirect_uri: named.then(|| provider.redirect_uri()),
            device_id,
        };
        let grant =
            provider.exchange(&code, now).await.map_err(|error| code_refused(provider, &error))?;
        let nonce = self.flow_key.nonce(state);
        let profile = provider.owner(&grant, &nonce, now).await.map_err(fault)?;
        Ok(Told { profile, grant, device_id: device_id.map(str::to_owned) })
    }

    /// Seals what was told with a code, which is given out and forgotten.
    async fn keep_for_app(&self, state: &str, told: &Told) -> Result<String> {
        let code = URL_SAFE_NO_PAD.encode(random::<16>()?);
        let kept = Kept {
            code_hash: hash(&code),
            code_expires_at: self.clock.now() + CODE_LIFETIME,
            sealed: self.flow_key.seal(&code, told)?,
        };
        let state_hash = hash(state);
        let kept = self
            .store
            .write(move |tx| Box::pin(pending_sign_ins::update_returned(tx, state_hash, kept)));
        match kept.await? {
            true => Ok(code),
            false => Err(SignInFault::Unknown.into()),
        }
    }

    pub(in crate::auth) fn provider(&self, name: &str) -> Result<&Provider> {
        self.providers.get(name).ok_or(Error::Provider(ProviderFault::Unknown))
    }
}

impl From<ProviderFault> for Failed {
    fn from(fault: ProviderFault) -> Self {
        match fault {
            ProviderFault::Unknown | ProviderFault::Refused => Failed::Refused,
            ProviderFault::Status(_) | ProviderFault::Unusable | ProviderFault::Unreachable => {
                Failed::Unavailable
            }
        }
    }
}

/// What is logged of a link that is refused: what follows its host may be a secret.
fn place_of(redirect: &str) -> String {
    let url = url::Url::parse(redirect).ok();
    let place = url.map(|url| match url.host_str() {
        Some(host) => format!("{}://{host}", url.scheme()),
        None => format!("{}:", url.scheme()),
    });
    place.unwrap_or_else(|| "no URL".to_owned()).chars().take(MAX_PLACE).collect()
}

/// Whether people have come by the provider of this name under another issuer. Where nobody has, the
/// other one was a slip.
pub async fn is_exchanged(tx: &mut Tx, name: &str, issuer: &str) -> Result<bool> {
    match meta::get(tx, issuer_of(name)).await? {
        Some(known) if known != issuer => identities::are_of(tx, name.to_owned()).await,
        _ => Ok(false),
    }
}

/// Where it is kept who a provider has said that it is.
fn issuer_of(name: &str) -> String {
    format!("issuer of {name}")
}

/// What SHA-256 comes to in base64url.
fn is_challenge(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}
