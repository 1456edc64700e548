//! [`Auth`], the entry point of the domain: its parts, its start, and the limits on attempts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use crate::auth::adopting::Adopting;
use crate::auth::after_commit::after_commit;
use crate::auth::clock_watch::ClockWatch;
use crate::auth::counts::Counts;
use crate::auth::limits::network_key::Network;
use crate::auth::limits::places::Places;
use crate::auth::limits::{Attempt, Counter, LimitRules, Limits};
use crate::auth::look_ups::LookUps;
use crate::auth::mailing::django_link::DjangoLinkKey;
use crate::auth::mailing::link_urls::Links;
use crate::auth::mailing::one_time_token::OneTimeKey;
use crate::auth::mailing::outbox::Outbox;
use crate::auth::numbers::Numbers;
use crate::auth::password::{CostSeed, Hasher, Origin};
use crate::auth::policy::{Policy, RESET_PATH, TokenForm};
use crate::auth::refused::RefusedAttempts;
use crate::auth::revoked::Revoked;
use crate::auth::secrets::digest::DigestKey;
use crate::auth::secrets::flow_key::FlowKey;
use crate::auth::secrets::random::{hex, random};
use crate::auth::tokens::checked::CheckedTokens;
use crate::auth::tokens::derived_refresh::RefreshKey;
use crate::auth::tokens::hs256::Hs256;
use crate::auth::tokens::signing::keys::{SigningKeys, SigningSettings};
use crate::auth::tokens::simple_jwt::{TokenKey, Tokens};
use crate::auth::tokens::token_id::TokenIdKey;
use crate::clock::Clock;
use crate::donor::Wanted;
use crate::error::{Error, ProviderFault, Result, SignInFault};
use crate::language::Language;
use crate::providers::Providers;
use crate::redirect::Redirects;
use crate::request_record::{self, AT_DJANGO};
use crate::store::effects::{EffectfulStore, Waits};
use crate::store::events::Refusal;
use crate::store::meta::{self, LONGEST_ACCESS};
use crate::store::refresh_batches::RefreshBatches;
use crate::store::{Connections, Store, limit_counts};

/// When a client may ask again for what a Django does, in seconds: a copy takes a while.
pub const AT_DJANGO_RETRY: i64 = 60;

/// A random value of the installation, in the table `meta`.
const INSTALLATION: &str = "installation";

/// The parts of [`Auth`].
pub struct Parts {
    pub store: Store,
    pub clock: Clock,
    pub hasher: Hasher,
    /// Signs tokens that contain the account's number.
    pub signing_secret: Hs256,
    /// Sign the tokens of the APIs with keys of their own, by the names of their policies.
    pub own_keys: BTreeMap<String, TokenKey>,
    /// Makes token ids (`jti`).
    pub token_ids: TokenIdKey,
    /// Signs tokens that contain the user's name.
    pub user_names: Hs256,
    /// Whether a replaced server signed user name tokens with the same key.
    pub shares_user_names: bool,
    pub one_time: OneTimeKey,
    /// Reads links that a replaced Django has mailed, if its tokens are accepted.
    pub django_links: Option<DjangoLinkKey>,
    pub flow_key: FlowKey,
    pub refresh_key: RefreshKey,
    pub digest_key: DigestKey,
    /// Signs tokens that other services verify with the public key.
    pub signing: SigningSettings,
    pub providers: Providers,
    pub redirects: Redirects,
    pub links: Links,
    /// The language of mails if neither the request nor the account has one.
    pub language: Language,
    /// The policies of the enabled APIs.
    pub policies: Vec<Policy>,
    pub limits: LimitRules,
    /// Whether tokens are accepted that a replaced server signed with the same key.
    pub accept_foreign: bool,
    /// How many days events are kept.
    pub keep_days: i64,
    /// Whether webhooks are queued.
    pub has_receiver: bool,
    /// Whether the keys are those of the server's secret; a command may have none.
    pub has_secret: bool,
}

/// The entry point of the domain, shared by all requests and background tasks.
pub struct Auth {
    pub(in crate::auth) store: EffectfulStore,
    pub(in crate::auth) clock: Clock,
    pub(in crate::auth) hasher: Hasher,
    pub(in crate::auth) tokens: Tokens,
    /// Those of APIs with keys of their own.
    pub(in crate::auth) own_tokens: BTreeMap<String, Tokens>,
    pub(in crate::auth) token_ids: TokenIdKey,
    pub(in crate::auth) user_names: Hs256,
    pub(in crate::auth) shares_user_names: bool,
    pub(in crate::auth) django_links: Option<DjangoLinkKey>,
    pub(in crate::auth) outbox: Outbox,
    /// Wakes the mail worker.
    pub(in crate::auth) mail_queued: Arc<Notify>,
    /// Wakes the worker that sends webhooks.
    pub(in crate::auth) webhook_queued: Arc<Notify>,
    pub(in crate::auth) providers: Providers,
    pub(in crate::auth) redirects: Redirects,
    pub(in crate::auth) flow_key: FlowKey,
    pub(in crate::auth) refresh_key: RefreshKey,
    pub(in crate::auth) refresh_batches: RefreshBatches,
    pub(in crate::auth) signing: SigningKeys,
    pub(in crate::auth) checked: CheckedTokens,
    pub(in crate::auth) policies: Vec<Policy>,
    pub(in crate::auth) limits: Arc<Limits>,
    pub(in crate::auth) digest_key: DigestKey,
    pub(in crate::auth) places: Places,
    pub(in crate::auth) revoked: Arc<Revoked>,
    pub(in crate::auth) clock_watch: ClockWatch,
    pub(in crate::auth) numbers: Arc<Numbers>,
    pub(in crate::auth) accept_foreign: bool,
    pub(in crate::auth) adopting: Arc<Adopting>,
    pub(in crate::auth) look_ups: LookUps,
    counts: Counts,
    pub(in crate::auth) keep_days: i64,
    pub(in crate::auth) has_secret: bool,
    pub(in crate::auth) refused: Arc<RefusedAttempts>,
    /// The turn of an export.
    pub(in crate::auth) exports: Semaphore,
}

impl Auth {
    /// Builds it from its parts, and loads the revocations and counts that the first request needs.
    pub async fn open(parts: Parts) -> Result<Self> {
        let longest_access = longest_access(&parts).await?;
        let installation = installation_id(&parts.store).await?;
        Auth::loaded(parts, longest_access, &installation).await
    }

    /// The same for a look that stores nothing: not even what the first use of a database stores.
    pub async fn open_for_reading(parts: Parts) -> Result<Self> {
        let mut tx = parts.store.read().await?;
        let stored = meta::get(&mut tx, LONGEST_ACCESS).await?;
        let stored: i64 = stored.and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
        let installation = meta::get(&mut tx, INSTALLATION).await?.unwrap_or_default();
        drop(tx);
        let longest_access = stored.max(longest_access_of(&parts.policies));
        Auth::loaded(parts, longest_access, &installation).await
    }

    async fn loaded(parts: Parts, longest_access: i64, installation: &str) -> Result<Self> {
        let token_ids = parts.token_ids.mixed_with(installation);
        let limits = Arc::new(Limits::new(parts.limits, parts.digest_key.clone()));
        let clock_watch = ClockWatch::new(&parts.clock);
        let (revoked, mail_queued) = (Arc::new(Revoked::new(longest_access)), Arc::default());
        let (numbers, refused) = (Arc::default(), Arc::default());
        let webhook_queued = Arc::default();
        let counts = Counts::starting_with(parts.policies.iter().map(|policy| policy.name));
        let effects = after_commit(&revoked, &mail_queued, &webhook_queued, &numbers, &counts);
        let store = EffectfulStore::new(parts.store, effects, parts.has_receiver);
        let tokens = |key| Tokens::new(key, token_ids.clone());
        let auth = Auth {
            refresh_batches: RefreshBatches::new(&store),
            store,
            clock: parts.clock,
            hasher: parts.hasher,
            tokens: tokens(TokenKey::Secret(parts.signing_secret)),
            own_tokens: parts.own_keys.into_iter().map(|(name, key)| (name, tokens(key))).collect(),
            token_ids,
            user_names: parts.user_names,
            shares_user_names: parts.shares_user_names,
            django_links: parts.django_links,
            outbox: Outbox {
                key: parts.one_time,
                links: parts.links,
                challenge: None,
                reset_path: RESET_PATH,
                language: parts.language,
                limits: Arc::clone(&limits),
                refused: Arc::clone(&refused),
            },
            mail_queued,
            webhook_queued,
            providers: parts.providers,
            redirects: parts.redirects,
            flow_key: parts.flow_key,
            refresh_key: parts.refresh_key,
            signing: SigningKeys::new(parts.signing),
            checked: CheckedTokens::default(),
            policies: parts.policies,
            limits,
            places: Places::new(parts.digest_key.clone()),
            digest_key: parts.digest_key,
            revoked,
            clock_watch,
            numbers,
            accept_foreign: parts.accept_foreign,
            adopting: Arc::default(),
            look_ups: LookUps::default(),
            counts,
            keep_days: parts.keep_days,
            has_secret: parts.has_secret,
            refused,
            exports: Semaphore::new(1),
        };
        auth.load_revocations().await?;
        auth.load_counts().await?;
        auth.load_adopting().await?;
        Ok(auth)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }

    /// What hashes passwords, for the metrics.
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// What writes have done.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How long reads and writes have waited for the database.
    pub fn database_waits(&self) -> &Waits {
        self.store.waits()
    }

    /// How many commands the database was given; on Postgres, round trips.
    pub fn database_commands(&self) -> u64 {
        self.store.commands()
    }

    /// The connections to the database at this moment.
    pub fn database_connections(&self) -> Connections {
        self.store.connections()
    }

    /// Whether any API hides which accounts exist: then what all APIs share must hide it too.
    pub fn is_any_strict(&self) -> bool {
        self.policies.iter().any(|policy| policy.strict)
    }

    /// The API whose accounts a replaced Django makes, if there is one: then no API makes any.
    pub fn registering_at_django(&self) -> Option<&'static str> {
        self.policies.iter().find(|policy| policy.registers_at_django).map(|policy| policy.name)
    }

    /// Refuses a client's new account while a Django makes the accounts.
    pub(in crate::auth) fn refuse_registration_at_django(&self) -> Result<()> {
        match self.registering_at_django() {
            Some(_) => Err(made_at_django()),
            None => Ok(()),
        }
    }

    /// Looks up at the other system what may be known there, and adopts it; false if that was not
    /// done.
    pub(in crate::auth) async fn look_up_there(&self, wanted: Wanted, from: IpAddr) -> bool {
        self.adopting.is_open()
            && self.look_ups.are_answered()
            && self.limits.count_look_up(from, self.clock.now()).is_ok()
            && self.look_ups.ask(wanted, from).await
    }

    /// The names of the configured providers.
    pub(in crate::auth) fn configured_providers(&self) -> Vec<String> {
        self.providers().map(|one| one.name.to_owned()).collect()
    }

    /// Counts a refusal by a limit that protects the server rather than one account: no account gets
    /// an event of it.
    pub(in crate::auth) fn within_limit<T>(&self, reserved: Result<T>) -> Result<T> {
        reserved.inspect_err(|_| self.count_refused(None, Refusal::TooManyAttempts))
    }

    /// Runs `work` as an attempt to use a link or code; a failure counts against the address.
    pub(in crate::auth) async fn limited<T>(
        &self,
        from: IpAddr,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let attempt = self.within_limit(self.limits.reserve_link(from, self.clock.now()))?;
        let outcome = work.await;
        self.settle(attempt, &outcome).await;
        outcome
    }

    /// Runs a request to a provider and counts only a refusal against the address. Unlike
    /// [`Auth::limited`] it reserves no attempt, because a provider may be slow.
    pub(in crate::auth) async fn count_refusals<T>(
        &self,
        from: IpAddr,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.within_limit(self.limits.check_address(from, self.clock.now()))?;
        let outcome = work.await;
        let is_refused = matches!(
            &outcome,
            Err(Error::Provider(ProviderFault::Refused) | Error::SignIn(SignInFault::Unknown))
        );
        if is_refused {
            // No attempt left: the address has reached its limit already.
            if let Ok(attempt) = self.limits.reserve_link(from, self.clock.now()) {
                self.store_counts(attempt.fail()).await;
            }
        }
        outcome
    }

    /// Loads the stored counts.
    async fn load_counts(&self) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.store.read().await?;
        let stored = limit_counts::open_counts(&mut tx, now).await?;
        self.limits.learn(&stored, now);
        Ok(())
    }

    /// Counts or releases an attempt by its outcome.
    pub(in crate::auth) async fn settle<T>(&self, attempt: Attempt<'_>, outcome: &Result<T>) {
        self.store_counts(attempt.settle(outcome)).await;
    }

    /// Counts a request for a mail.
    pub(in crate::auth) async fn count_mail_request(&self, from: IpAddr) -> Result<()> {
        let asked = self.limits.count_mail_request(from, self.clock.now());
        let asked = self.within_limit(asked)?;
        self.store_counts(asked.fail()).await;
        Ok(())
    }

    /// The origin of a password for the fair queue of hashes.
    pub(in crate::auth) fn origin(&self, from: IpAddr, is_known: bool) -> Origin {
        match self.limits.are_enabled() {
            true => Origin::client(Network::of(from), is_known),
            false => Origin::SERVER,
        }
    }

    /// Stores counts. If that fails they stay in memory, and the response is the same.
    async fn store_counts(&self, counters: Vec<Counter>) {
        if counters.is_empty() {
            return;
        }
        let now = self.clock.now();
        let stored = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let mut stored = Vec::new();
                    for counter in &counters {
                        stored.push(counter.store(tx, now).await?);
                    }
                    Ok(stored)
                })
            })
            .await;
        match stored {
            Ok(stored) => self.limits.learn(&stored, now),
            Err(error) => tracing::warn!(%error, "rate limit counts could not be stored"),
        }
    }

    /// The seed of a name without an account; see [`CostSeed`].
    pub(in crate::auth) fn cost_seed_of_name(&self, name: &str) -> CostSeed {
        CostSeed(self.digest_key.digest("lot of name", name.as_bytes()))
    }

    /// The seed of an account without a password; see [`CostSeed`].
    pub(in crate::auth) fn cost_seed_of_account(&self, id: i64) -> CostSeed {
        CostSeed(self.digest_key.digest("lot of account", &id.to_be_bytes()))
    }
}

/// The refusal of a new account while a Django makes the accounts. It is not the last word: the
/// account may be there already.
pub(in crate::auth) fn made_at_django() -> Error {
    request_record::note_refusal(AT_DJANGO);
    Error::Busy { retry_after: AT_DJANGO_RETRY }
}

fn longest_access_of(policies: &[Policy]) -> i64 {
    // API tokens are looked up at every use, so they need no revocations in memory.
    let expiring = policies.iter().filter(|policy| policy.form != TokenForm::ApiToken);
    expiring.map(|policy| policy.access_seconds).max().unwrap_or(0)
}

/// The longest lifetime of an access token under any settings so far. A token issued under earlier
/// settings may still be valid, so its revocation must be remembered for that long.
async fn longest_access(parts: &Parts) -> Result<i64> {
    let current = longest_access_of(&parts.policies);
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                let stored = meta::get_or_insert(tx, LONGEST_ACCESS, current.to_string()).await?;
                let stored = stored.parse().unwrap_or(0);
                if stored < current {
                    meta::set(tx, LONGEST_ACCESS, current.to_string()).await?;
                }
                Ok(current.max(stored))
            })
        })
        .await
}

/// A random value that is stored with the database. It is mixed into the key of token ids, so that
/// the server's secret alone does not give that key.
async fn installation_id(store: &Store) -> Result<String> {
    let new = hex(&random::<32>()?);
    store.write(move |tx| Box::pin(meta::get_or_insert(tx, INSTALLATION, new))).await
}
