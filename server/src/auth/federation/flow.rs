//! Sign-in with a provider through a browser: the start and the callback. PKCE protects
//! both parts: app and server, server and provider. No account changes before the app proves with its
//! code verifier that it started the sign-in ([`crate::auth::federation::redeem`]).

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::auth::domain::Auth;
use crate::auth::federation::answer::{Callback, ProviderAnswer, exchange_error, provider_error};
use crate::auth::secrets::flow_key::challenge_of;
use crate::auth::secrets::random::{hash, random};
use crate::error::{Error, ProviderFault, Result, SignInFault};
use crate::providers::{Authorize, Code, Provider, loggable};
use crate::store::events::{Event, NewEvent};
use crate::store::pending_sign_ins::{self, LinkTo, PendingSignIn, Returned as SealedAnswer};
use crate::store::{Tx, identities, meta};

/// The time to sign in at the provider, in seconds.
pub const SIGN_IN_LIFETIME: i64 = 600;
/// The time for the app to redeem its code, in seconds.
pub const CODE_LIFETIME: i64 = 60;
/// Characters of a refused redirect that are logged.
const MAX_LOGGED_REDIRECT: usize = 200;
/// No provider sends a longer parameter.
const MAX_PARAMETER: usize = 4_096;

/// An app's part of a sign-in.
pub struct AppLeg {
    /// The link that brings the result to the app.
    pub redirect: String,
    /// S256 of its code verifier.
    pub challenge: String,
}

/// A started sign-in, to continue in a browser; no `Debug`.
pub struct StartedSignIn {
    pub authorize_url: String,
    /// The app gets it back with the result.
    pub state: String,
    /// In seconds.
    pub expires_in: i64,
}

/// The result of a callback; no `Debug`.
pub struct CallbackResult {
    /// The app's redirect; `None`: the callback itself is answered with the code.
    pub redirect: Option<String>,
    pub state: String,
    pub device_id: Option<String>,
    /// The code that the app redeems, or why the sign-in failed.
    pub outcome: std::result::Result<String, CallbackFailure>,
}

/// Why a sign-in failed at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackFailure {
    Cancelled,
    Refused,
    Unavailable,
}

/// A provider, as clients show it to users.
pub struct ProviderName<'a> {
    pub name: &'a str,
    pub title: &'a str,
    /// The path of our callback for this provider.
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

    /// The first provider whose issuer has changed: its users would get the accounts of another
    /// provider's users. For the others, the issuer is stored.
    pub async fn provider_with_changed_issuer(&self) -> Result<Option<String>> {
        for provider in self.providers.all() {
            let Some(issuer) = provider.issuer().map(str::to_owned) else { continue };
            let name = provider.name().to_owned();
            let is_same = self.store.write(move |tx| {
                Box::pin(async move {
                    let is_same = !has_changed_issuer(tx, &name, &issuer).await?;
                    if is_same {
                        meta::set(tx, issuer_key(&name), issuer).await?;
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

    /// Stores that a provider has the same users under this issuer.
    pub async fn accept_provider_issuer(&self, name: &str, issuer: &str) -> Result<()> {
        let moved = NewEvent::of_server(Event::ProviderMoved, self.clock.now()).about(name);
        let (name, issuer) = (issuer_key(name), issuer.to_owned());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    if meta::get(tx, name.clone()).await?.as_ref() != Some(&issuer) {
                        tx.note(moved);
                    }
                    meta::set(tx, name, issuer).await
                })
            })
            .await
    }

    /// The provider's name as users see it.
    pub fn provider_title(&self, name: &str) -> Option<&str> {
        self.providers.get(name).map(Provider::title)
    }

    /// Starts a sign-in: with `app`, the result goes to the app's redirect; without it, the
    /// callback is answered with the result.
    pub async fn begin_sign_in(
        &self,
        provider: &str,
        app: Option<AppLeg>,
        from: IpAddr,
    ) -> Result<StartedSignIn> {
        self.begin(provider, app, None, from).await
    }

    /// Starts a sign-in, or with `link_to` the link of an identity to an account.
    pub(in crate::auth) async fn begin(
        &self,
        provider: &str,
        app: Option<AppLeg>,
        link_to: Option<LinkTo>,
        from: IpAddr,
    ) -> Result<StartedSignIn> {
        let (provider, now) = (self.provider(provider)?, self.clock.now());
        self.within_limit(self.limits.count_sign_in(from, now))?;
        if let Some(app) = &app {
            self.check_app_leg(app)?;
        }
        let state = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let (challenge, nonce) =
            (challenge_of(&self.flow_key.verifier(&state)), self.flow_key.nonce(&state));
        let has_redirect = app.is_some() || provider.link_names_redirect();
        let request = Authorize {
            state: &state,
            challenge: &challenge,
            nonce: &nonce,
            redirect_uri: has_redirect.then(|| provider.redirect_uri()),
        };
        let authorize_url = provider
            .authorize_url(&request, now)
            .await
            .map_err(|error| provider_error(provider, &error))?;
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
        Ok(StartedSignIn { authorize_url, state, expires_in: SIGN_IN_LIFETIME })
    }

    fn check_app_leg(&self, app: &AppLeg) -> Result<()> {
        if !self.redirects.allows(&app.redirect) {
            let redirect = loggable_redirect(&app.redirect);
            tracing::info!(redirect, "the redirect is not in redirects.allowed");
            return Err(SignInFault::RedirectNotAllowed.into());
        }
        if !is_challenge(&app.challenge) {
            return Err(SignInFault::ChallengeInvalid.into());
        }
        Ok(())
    }

    /// Handles the callback of a provider. It spends the state even if the provider then fails.
    pub async fn handle_callback(
        &self,
        provider: &str,
        callback: Callback,
        from: IpAddr,
    ) -> Result<CallbackResult> {
        let provider = self.provider(provider)?;
        let state = callback.state.clone().unwrap_or_default();
        let spent = self.spend_state(provider, &state, false);
        let pending = self.limited(from, spent).await?;
        let outcome = match self.ask_provider(provider, &pending, &callback).await {
            // The state is spent, so the browser cannot retry: the app has to start again.
            Ok(answer) => self.seal_for_app(&state, &answer).await.map_err(|error| {
                tracing::error!(%error, "the provider's answer cannot be stored");
                CallbackFailure::Unavailable
            }),
            Err(Error::Provider(fault)) => Err(CallbackFailure::from(fault)),
            Err(error) => return Err(error),
        };
        let outcome = match (callback.error.as_deref(), outcome) {
            (Some("access_denied"), Err(_)) => Err(CallbackFailure::Cancelled),
            (_, outcome) => outcome,
        };
        let device_id = callback.device_id.filter(|_| provider.binds_device());
        Ok(CallbackResult { redirect: pending.redirect, state, device_id, outcome })
    }

    /// Spends the state of a started sign-in; `without_redirect`: only of one that no app waits for.
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

    /// Exchanges the callback's code at the provider and reads the user's profile.
    pub(in crate::auth) async fn ask_provider(
        &self,
        provider: &Provider,
        pending: &PendingSignIn,
        callback: &Callback,
    ) -> Result<ProviderAnswer> {
        let now = self.clock.now();
        let fault = |error| provider_error(provider, &error);
        let is_right_issuer =
            provider.is_issuer(callback.iss.as_deref(), now).await.map_err(fault)?;
        let code = callback.code.as_deref().filter(|code| code.len() <= MAX_PARAMETER);
        let device_id = callback.device_id.as_deref().filter(|id| id.len() <= MAX_PARAMETER);
        if let Some(error) = &callback.error {
            log_refusal(provider, error, callback.error_description.as_deref());
        }
        let (Some(code), true, None) = (code, is_right_issuer, &callback.error) else {
            return Err(Error::Provider(ProviderFault::Refused));
        };
        let state = callback.state.as_deref().unwrap_or_default();
        let has_redirect = pending.redirect.is_some() || provider.link_names_redirect();
        let code = Code {
            code,
            verifier: &self.flow_key.verifier(state),
            state,
            redirect_uri: has_redirect.then(|| provider.redirect_uri()),
            device_id,
        };
        let grant = provider
            .exchange(&code, now)
            .await
            .map_err(|error| exchange_error(provider, &error))?;
        let nonce = self.flow_key.nonce(state);
        let profile = provider.owner(&grant, &nonce, now).await.map_err(fault)?;
        Ok(ProviderAnswer { profile, grant, device_id: device_id.map(str::to_owned) })
    }

    /// Stores the answer sealed under a new code. Only the app gets the code; we keep its hash.
    async fn seal_for_app(&self, state: &str, answer: &ProviderAnswer) -> Result<String> {
        let code = URL_SAFE_NO_PAD.encode(random::<16>()?);
        let sealed = SealedAnswer {
            code_hash: hash(&code),
            code_expires_at: self.clock.now() + CODE_LIFETIME,
            sealed: self.flow_key.seal(&code, answer)?,
        };
        let state_hash = hash(state);
        let stored = self
            .store
            .write(move |tx| Box::pin(pending_sign_ins::update_returned(tx, state_hash, sealed)));
        match stored.await? {
            true => Ok(code),
            false => Err(SignInFault::Unknown.into()),
        }
    }

    /// The configured provider of this name.
    pub(in crate::auth) fn provider(&self, name: &str) -> Result<&Provider> {
        self.providers.get(name).ok_or(Error::Provider(ProviderFault::Unknown))
    }
}

impl From<ProviderFault> for CallbackFailure {
    fn from(fault: ProviderFault) -> Self {
        match fault {
            ProviderFault::Unknown | ProviderFault::Refused => CallbackFailure::Refused,
            ProviderFault::Status(_) | ProviderFault::Unusable | ProviderFault::Unreachable => {
                CallbackFailure::Unavailable
            }
        }
    }
}

fn log_refusal(provider: &Provider, error: &str, description: Option<&str>) {
    let (provider, error) = (provider.name(), loggable(error));
    let error_description = description.map(loggable).unwrap_or_default();
    tracing::warn!(provider, error, error_description, "the provider refused the sign-in");
}

/// Scheme and host of a refused redirect, for the log: the rest may contain a secret.
fn loggable_redirect(redirect: &str) -> String {
    let url = url::Url::parse(redirect).ok();
    let logged = url.map(|url| match url.host_str() {
        Some(host) => format!("{}://{host}", url.scheme()),
        None => format!("{}:", url.scheme()),
    });
    logged.unwrap_or_else(|| "no URL".to_owned()).chars().take(MAX_LOGGED_REDIRECT).collect()
}

/// Whether the provider of this name has identities here from another issuer. A known issuer
/// without identities was a mistake in the settings, and may change.
pub async fn has_changed_issuer(tx: &mut Tx, name: &str, issuer: &str) -> Result<bool> {
    match meta::get(tx, issuer_key(name)).await? {
        Some(known) if known != issuer => identities::are_of(tx, name.to_owned()).await,
        _ => Ok(false),
    }
}

/// The key of the stored issuer of a provider.
fn issuer_key(name: &str) -> String {
    format!("issuer of {name}")
}

/// Whether the text is an S256 code challenge: SHA-256 in base64url.
fn is_challenge(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}
