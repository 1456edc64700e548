//! Limits on guessing passwords, on registrations and on mails. An attempt is reserved before the
//! password is hashed, so that parallel guesses count too, and given back if it succeeds or is not
//! processed. Three counters: per address, per name from one address, and per name from everywhere.
//! The last one does not apply to a known place of the account, so that an attacker cannot lock the
//! owner out there. Counters of failures and mails are also stored. Their keys are digests, because
//! names can have any length and must not be readable in the database.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::auth::limits::network_key::Network;
use crate::auth::secrets::digest::{Digest, DigestKey};
use crate::auth::secrets::random::hex;
use crate::error::{Error, Result};
use crate::identifier::Email;
use crate::store::limit_counts::{self, LimitCount};
use crate::store::{Tx, outbox};

/// How many attempts are allowed within `window` seconds.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    pub attempts: u32,
    pub window: i64,
}

/// Exports of one account.
const EXPORTS: Allowed = Allowed { attempts: 10, window: 3_600 };

/// Look-ups at another system whose accounts are adopted, from one address.
const LOOK_UPS: Allowed = Allowed { attempts: 100, window: 600 };

/// The limits in force.
#[derive(Clone, Copy, Debug)]
pub struct LimitRules {
    pub enabled: bool,
    pub per_address: Allowed,
    pub per_account_and_address: Allowed,
    pub per_account: Allowed,
    pub registrations_per_address: Allowed,
    pub mails_per_address: Allowed,
    pub mails_per_recipient: Allowed,
    pub sign_ins_per_address: Allowed,
}

/// The target of a password attempt. Each has separate counters, from one address and from
/// everywhere.
#[derive(Clone, Copy, Debug)]
pub enum Target<'t> {
    /// At a sign-in: the canonical key of the identifier that was sent, or the text itself. Not the
    /// account: if failures with one name limited another name, that would show that an account
    /// with both names exists. The price: each name of an account has its own attempts.
    Name(&'t str),
    /// A signed-in account that re-authenticates. Separate from its names, so that attempts of
    /// others at a sign-in do not stop the owner from a change that needs the password.
    Account(i64),
}

/// The same text for all addresses that are known to share a mailbox: in any spelling and with any
/// tag. Gmail has two domains and ignores dots.
fn mailbox(address: &str) -> String {
    let email = Email::parse(address);
    let address = email.map_or_else(|| address.to_lowercase(), |email| email.key().to_owned());
    let Some((local, domain)) = address.rsplit_once('@') else { return address };
    let local = local.split('+').next().unwrap_or_default();
    match domain {
        "gmail.com" | "googlemail.com" => format!("{}@gmail.com", local.replace('.', "")),
        _ => format!("{local}@{domain}"),
    }
}

/// One counter and its limit.
#[derive(Clone, Copy)]
pub struct Counter {
    key: Digest,
    /// The digest of the target whose attempts it counts, so that all counts of a target can be
    /// found.
    target: Option<Digest>,
    allowed: Allowed,
    /// The count is also stored in the database, so that it survives a restart.
    is_stored: bool,
}

impl Counter {
    /// When the next window begins, if the stored one is full. Locks the count until the
    /// transaction ends.
    async fn full_until(&self, tx: &mut Tx, now: i64) -> Result<Option<i64>> {
        let new_end = now + self.allowed.window;
        let stored = limit_counts::lock(tx, self.stored_key(), new_end).await?;
        Ok(Count::from(&stored).full_until(self.allowed, now))
    }

    /// Adds one to the stored count.
    pub async fn store(&self, tx: &mut Tx, now: i64) -> Result<LimitCount> {
        limit_counts::add_one(tx, self.stored_key(), now, now + self.allowed.window).await
    }

    /// The digests of the target, if any, and of the counter.
    fn stored_key(&self) -> String {
        let target = self.target.map_or_else(String::new, |target| hex(&target));
        target + &hex(&self.key)
    }
}

#[derive(Clone, Copy)]
struct Count {
    count: u32,
    ends_at: i64,
    target: Option<Digest>,
}

impl Count {
    fn is_open(self, allowed: Allowed, now: i64) -> bool {
        (now..=now + allowed.window).contains(&(self.ends_at - 1))
    }

    /// When the next window begins, if this one is full. A clock that was set back does not extend
    /// a window (see `is_open`).
    fn full_until(self, allowed: Allowed, now: i64) -> Option<i64> {
        let is_full = self.is_open(allowed, now) && self.count >= allowed.attempts;
        is_full.then_some(self.ends_at)
    }
}

impl From<&LimitCount> for Count {
    fn from(stored: &LimitCount) -> Self {
        let count = u32::try_from(stored.count).unwrap_or(u32::MAX);
        let target = parse_key(&stored.key).and_then(|(target, _)| target);
        Count { count, ends_at: stored.ends_at, target }
    }
}

/// The delay of a mail above the limit.
pub struct MailWait {
    pub until: i64,
    /// The stored key of the counter that the mail waits for.
    pub count: String,
}

/// The counters; one set per server.
pub struct Limits {
    rules: LimitRules,
    key: DigestKey,
    counts: Mutex<HashMap<Digest, Count>>,
}

/// A reserved attempt: counts as failed unless it is given back.
#[must_use]
pub struct Attempt<'l> {
    limits: &'l Limits,
    counted: Vec<Counter>,
}

impl Limits {
    pub fn new(rules: LimitRules, key: DigestKey) -> Self {
        Limits { rules, key, counts: Mutex::default() }
    }

    pub fn are_enabled(&self) -> bool {
        self.rules.enabled
    }

    /// Reserves an attempt at a password; `is_known`: from a known place of the account.
    pub fn reserve(
        &self,
        target: Target<'_>,
        from: IpAddr,
        is_known: bool,
        now: i64,
    ) -> Result<Attempt<'_>> {
        let mut counted = vec![self.failures(from), self.failures_on(target, from)];
        if !is_known {
            counted.push(self.failures_from_everywhere(target));
        }
        self.count(counted, now)
    }

    /// Refuses an address with too many failures, before anything is looked up for it.
    pub fn check_address(&self, from: IpAddr, now: i64) -> Result<()> {
        match self.rules.enabled {
            true => check(&self.counts(), &self.failures(from), now),
            false => Ok(()),
        }
    }

    /// Counts a registration, successful or not.
    pub fn count_registration(&self, from: IpAddr, now: i64) -> Result<()> {
        let counter = self.at("registrations", from, self.rules.registrations_per_address, false);
        self.count(vec![counter], now).map(drop)
    }

    /// Counts the start of a sign-in with a provider: each costs a request to it or a row here.
    pub fn count_sign_in(&self, from: IpAddr, now: i64) -> Result<()> {
        let counter = self.at("sign-ins", from, self.rules.sign_ins_per_address, false);
        self.count(vec![counter], now).map(drop)
    }

    /// Reserves an attempt at a mailed link. Its token cannot be guessed, but each attempt costs a
    /// write transaction.
    pub fn reserve_link(&self, from: IpAddr, now: i64) -> Result<Attempt<'_>> {
        self.count(vec![self.failures(from)], now)
    }

    /// Counts a request for a mail, whether or not a mail is sent.
    pub fn count_mail_request(&self, from: IpAddr, now: i64) -> Result<Attempt<'_>> {
        let counter = self.at("questions", from, self.rules.mails_per_address, true);
        self.count(vec![counter], now)
    }

    /// Counts an export of everything that is kept of an account, which reads much.
    pub fn count_export(&self, account_id: i64, now: i64) -> Result<()> {
        let key = self.key.digest("exports", &account_id.to_be_bytes());
        let counter = Counter { key, target: None, allowed: EXPORTS, is_stored: false };
        self.count(vec![counter], now).map(drop)
    }

    /// Counts a look-up at another system.
    pub fn count_look_up(&self, from: IpAddr, now: i64) -> Result<()> {
        let counter = self.at("look-ups", from, LOOK_UPS, false);
        self.count(vec![counter], now).map(drop)
    }

    /// Counts a notice to a mailbox; `false` if it must not be sent. Each kind of mail has its own
    /// limit, so that no kind uses up the allowance of another.
    pub async fn admit_notice(
        &self,
        tx: &mut Tx,
        about: &str,
        address: &str,
        now: i64,
    ) -> Result<bool> {
        if !self.rules.enabled {
            return Ok(true);
        }
        let counter = self.mails_to(about, address);
        let is_free = counter.full_until(tx, now).await?.is_none();
        if is_free {
            counter.store(tx, now).await?;
        }
        Ok(is_free)
    }

    /// Counts a mail with a link to a mailbox; `None` if it may be sent at once. Mails that wait
    /// already go first: otherwise new ones could fill each window as it begins.
    pub async fn admit_link(
        &self,
        tx: &mut Tx,
        about: &str,
        address: &str,
        now: i64,
    ) -> Result<Option<MailWait>> {
        if !self.rules.enabled {
            return Ok(None);
        }
        let counter = self.mails_to(about, address);
        let (full_until, count) = (counter.full_until(tx, now).await?, counter.stored_key());
        let is_any_waiting = outbox::is_any_waiting(tx, count.clone()).await?;
        if full_until.is_none() && !is_any_waiting {
            counter.store(tx, now).await?;
            return Ok(None);
        }
        Ok(Some(MailWait { until: full_until.unwrap_or(now), count }))
    }

    /// Counts a mail that has waited for the counter `count`; `Some`: it must wait until this time.
    pub async fn admit_waiting(&self, tx: &mut Tx, count: &str, now: i64) -> Result<Option<i64>> {
        let Some((target, key)) = parse_key(count).filter(|_| self.rules.enabled) else {
            return Ok(None);
        };
        let allowed = self.rules.mails_per_recipient;
        let counter = Counter { key, target, allowed, is_stored: true };
        let full_until = counter.full_until(tx, now).await?;
        if full_until.is_none() {
            counter.store(tx, now).await?;
        }
        Ok(full_until)
    }

    /// Takes the time that counting a mail with a link takes.
    pub async fn count_decoy(&self, tx: &mut Tx, address: &str, now: i64) -> Result<()> {
        self.admit_link(tx, "decoy", address, now).await.map(drop)
    }

    /// Merges stored counts, which include failures at other servers. The stored windows win; a
    /// count of a window that has ended here does not carry over to the next.
    pub fn learn(&self, stored: &[LimitCount], now: i64) {
        let mut counts = self.counts();
        for row in stored {
            let Some((target, key)) = parse_key(&row.key) else { continue };
            let Count { count, ends_at, .. } = row.into();
            let known = counts.entry(key).or_insert(Count { count, ends_at, target });
            let own = if known.ends_at > now { known.count } else { 0 };
            *known = Count { count: count.max(own), ends_at, target };
        }
    }

    /// Forgets windows that have ended.
    pub fn forget_before(&self, now: i64) {
        self.counts().retain(|_, count| count.ends_at > now);
    }

    /// What an unlock of these targets and mailboxes forgets.
    pub fn counters_of(&self, targets: &[Target<'_>], mails: &[(String, &str)]) -> CountersOf {
        CountersOf {
            targets: targets.iter().map(|target| self.digest_of(*target)).collect(),
            mails: mails.iter().map(|(about, address)| self.mails_to(about, address).key).collect(),
        }
    }

    /// Forgets these counters in memory.
    pub fn forget(&self, counters: &CountersOf) {
        let CountersOf { targets, mails } = counters;
        self.counts().retain(|key, count| {
            !mails.contains(key) && count.target.is_none_or(|target| !targets.contains(&target))
        });
    }

    /// The limit of a stored count of failures, and whether it counts them from everywhere.
    pub fn limit_of_failures(&self, stored: &LimitCount) -> (Allowed, bool) {
        match parse_key(&stored.key) {
            Some((Some(target), key)) if target == key => (self.rules.per_account, true),
            _ => (self.rules.per_account_and_address, false),
        }
    }

    pub fn limit_of_mails(&self) -> Allowed {
        self.rules.mails_per_recipient
    }

    fn count(&self, counted: Vec<Counter>, now: i64) -> Result<Attempt<'_>> {
        if !self.rules.enabled {
            return Ok(Attempt { limits: self, counted: Vec::new() });
        }
        let mut counts = self.counts();
        for counter in &counted {
            check(&counts, counter, now)?;
        }
        for counter in &counted {
            add(&mut counts, counter, now);
        }
        drop(counts);
        Ok(Attempt { limits: self, counted })
    }

    fn failures(&self, from: IpAddr) -> Counter {
        self.at("failures", from, self.rules.per_address, true)
    }

    fn failures_on(&self, target: Target<'_>, from: IpAddr) -> Counter {
        let value = [&self.digest_of(target)[..], &Network::of(from).to_bytes()].concat();
        let key = self.key.digest("failures on", &value);
        let (target, allowed) = (self.digest_of(target), self.rules.per_account_and_address);
        Counter { key, target: Some(target), allowed, is_stored: true }
    }

    fn failures_from_everywhere(&self, target: Target<'_>) -> Counter {
        let key = self.digest_of(target);
        Counter { key, target: Some(key), allowed: self.rules.per_account, is_stored: true }
    }

    fn mails_to(&self, about: &str, address: &str) -> Counter {
        let value = format!("{about}\0{}", mailbox(address));
        let key = self.key.digest("mails", value.as_bytes());
        let allowed = self.rules.mails_per_recipient;
        Counter { key, target: None, allowed, is_stored: true }
    }

    fn at(&self, kind: &str, from: IpAddr, allowed: Allowed, is_stored: bool) -> Counter {
        let key = self.key.digest(kind, &Network::of(from).to_bytes());
        Counter { key, target: None, allowed, is_stored }
    }

    fn digest_of(&self, target: Target<'_>) -> Digest {
        match target {
            Target::Name(name) => self.key.digest("name", name.as_bytes()),
            Target::Account(id) => self.key.digest("account", &id.to_be_bytes()),
        }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Digest, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(counts: &HashMap<Digest, Count>, counter: &Counter, now: i64) -> Result<()> {
    let full = counts.get(&counter.key).and_then(|count| count.full_until(counter.allowed, now));
    match full {
        Some(ends_at) => Err(Error::RateLimited { retry_after: ends_at - now }),
        None => Ok(()),
    }
}

fn add(counts: &mut HashMap<Digest, Count>, counter: &Counter, now: i64) {
    let (ends_at, target) = (now + counter.allowed.window, counter.target);
    let fresh = Count { count: 0, ends_at, target };
    let count = counts.entry(counter.key).or_insert(fresh);
    if !count.is_open(counter.allowed, now) {
        *count = fresh;
    }
    count.count += 1;
}

/// The digests in the key of a stored count: of the target, if it has one, and of the counter.
fn parse_key(text: &str) -> Option<(Option<Digest>, Digest)> {
    let (target, key) = text.split_at_checked(text.len().saturating_sub(DIGITS))?;
    let digest = |text| u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes);
    Some((digest(target), digest(key)?))
}

/// The hex digits of a digest.
const DIGITS: usize = 32;

/// The counters of an account.
pub struct CountersOf {
    targets: Vec<Digest>,
    mails: Vec<Digest>,
}

impl CountersOf {
    /// The lowest and the highest stored key of each target.
    pub fn ranges(&self) -> impl Iterator<Item = (String, String)> {
        let end = |digit: &str| digit.repeat(DIGITS);
        self.targets.iter().map(move |target| (hex(target) + &end("0"), hex(target) + &end("f")))
    }

    /// The stored keys of the mails.
    pub fn mail_keys(&self) -> impl Iterator<Item = String> {
        self.mails.iter().map(|key| hex(key))
    }
}

impl Attempt<'_> {
    /// Gives the reservation back. Earlier failures stay counted: otherwise an attacker could reset
    /// the counter of an address by signing in to an own account.
    pub fn give_back(self) {
        let mut counts = self.limits.counts();
        for counter in &self.counted {
            if let Some(count) = counts.get_mut(&counter.key) {
                count.count = count.count.saturating_sub(1);
            }
        }
    }

    /// Counts the attempt as failed; answers the counters to store.
    pub fn fail(self) -> Vec<Counter> {
        self.counted.into_iter().filter(|counter| counter.is_stored).collect()
    }

    /// Counts the attempt as failed, or gives it back, by its outcome; answers the counters to
    /// store.
    pub fn settle<T>(self, outcome: &Result<T>) -> Vec<Counter> {
        match outcome {
            // What an adoption leaves open may be wrong all the same, and must not be tried for ever.
            Ok(_) | Err(Error::Busy { .. } | Error::Internal(_)) => {
                self.give_back();
                Vec::new()
            }
            Err(_) => self.fail(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let allowed = |attempts| Allowed { attempts, window: 60 };
        let rules = LimitRules {
            enabled: true,
            per_address: allowed(6),
            per_account_and_address: allowed(3),
            per_account: allowed(4),
            registrations_per_address: allowed(2),
            mails_per_address: allowed(5),
            mails_per_recipient: allowed(2),
            sign_ins_per_address: allowed(2),
        };
        Limits::new(rules, DigestKey::new([1; 32]))
    }

    fn name(name: &str) -> Target<'_> {
        Target::Name(name)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn fail(limits: &Limits, key: &str, from: &str, times: usize) {
        for _ in 0..times {
            drop(limits.reserve(name(key), address(from), false, 0));
        }
    }

    #[test]
    fn limits_count_parallel_guesses_before_their_outcome_is_known() {
        let limits = limits();
        let held: Vec<_> =
            (0..100).map(|_| limits.reserve(name("a"), address("192.0.2.1"), false, 0)).collect();
        assert_eq!(held.iter().filter(|attempt| attempt.is_ok()).count(), 3);
    }

    #[test]
    fn limits_allow_attempts_again_in_the_next_window() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        let refused = limits.reserve(name("a"), address("192.0.2.1"), false, 59);
        assert!(matches!(refused, Err(Error::RateLimited { retry_after: 1 })));
        assert!(limits.reserve(name("a"), address("192.0.2.1"), false, 60).is_ok());
    }

    #[test]
    fn limits_keep_earlier_failures_after_a_success() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        fail(&limits, "b", "192.0.2.1", 2);
        limits.reserve(name("own"), address("192.0.2.1"), false, 0).expect("the sixth").give_back();
        fail(&limits, "c", "192.0.2.1", 1);
        assert!(limits.reserve(name("d"), address("192.0.2.1"), false, 0).is_err());
    }

    #[test]
    fn limits_do_not_lock_the_owner_out_of_a_known_place() {
        let limits = limits();
        for last in 1..=9 {
            fail(&limits, "a", &format!("192.0.2.{last}"), 3);
        }
        assert!(limits.reserve(name("a"), address("203.0.113.1"), false, 0).is_err());
        assert!(limits.reserve(name("a"), address("198.51.100.7"), true, 0).is_ok());
    }

    #[test]
    fn limits_count_an_ipv6_network_as_one_and_a_mapped_address_as_ipv4() {
        let limits = limits();
        fail(&limits, "a", "2001:db8::1", 2);
        fail(&limits, "a", "2001:db8::ffff:1", 1);
        assert!(limits.reserve(name("a"), address("2001:db8::2"), false, 0).is_err());
        fail(&limits, "b", "192.0.2.1", 3);
        assert!(limits.reserve(name("b"), address("::ffff:192.0.2.1"), false, 0).is_err());
    }

    #[test]
    fn limits_keep_a_counter_under_a_hundred_thousand_other_names() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        for other in 0..100_000_u32 {
            drop(limits.reserve(name(&other.to_string()), IpAddr::V4(other.into()), false, 0));
        }
        assert!(limits.reserve(name("a"), address("192.0.2.1"), false, 0).is_err());
    }

    #[test]
    fn limits_do_not_count_an_attempt_that_was_not_processed() {
        let limits = limits();
        for _ in 0..10 {
            let attempt = limits.reserve(name("a"), address("192.0.2.1"), false, 0);
            let busy: Result<()> = Err(Error::Busy { retry_after: 1 });
            attempt.expect("a free place").settle(&busy);
        }
        let perhaps = || Error::AdoptionOpen { retry_after: 1 };
        for wrong in [Error::InvalidCredentials, perhaps(), perhaps()] {
            let attempt = limits.reserve(name("a"), address("192.0.2.1"), false, 0);
            attempt.expect("a free place").settle(&Err::<(), _>(wrong));
        }
        assert!(limits.reserve(name("a"), address("192.0.2.1"), false, 0).is_err());
    }

    #[test]
    fn limits_count_a_name_that_looks_like_an_id_separately() {
        let limits = limits();
        fail(&limits, "@7", "192.0.2.1", 3);
        fail(&limits, "7", "192.0.2.1", 2);
        let own = Target::Account(7);
        assert!(limits.reserve(own, address("192.0.2.1"), false, 0).is_ok());
    }

    #[test]
    fn limits_count_registrations_separately() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        let register = || limits.count_registration(address("192.0.2.1"), 0);
        assert!(register().is_ok() && register().is_ok() && register().is_err());
    }

    #[test]
    fn limits_count_a_signed_in_account_separately_from_its_names() {
        let limits = limits();
        for last in 1..=4 {
            fail(&limits, "anna@example.com", &format!("192.0.2.{last}"), 3);
        }
        let own = Target::Account(1);
        for _ in 0..3 {
            drop(limits.reserve(own, address("203.0.113.1"), false, 0).expect("a free place"));
        }
        assert!(limits.reserve(own, address("203.0.113.1"), false, 0).is_err());
        drop(limits.reserve(own, address("203.0.113.2"), false, 0).expect("the fourth"));
        assert!(limits.reserve(own, address("203.0.113.2"), false, 0).is_err());
    }

    #[test]
    fn limits_count_a_mailbox_once_in_any_spelling() {
        let limits = limits();
        let count = |address: &str| limits.mails_to("activation", address).key;
        let mailboxes: [&[&str]; 5] = [
            &["vic@ex.com", "VIC+0@Ex.com", "vic+1@ｅx.com", "vic@ex。com"],
            &["vic@münchen.de", "vic@xn--mnchen-3ya.de", "Vic+tag@MÜNCHEN.de"],
            &["owner@gmail.com", "o.wner@gmail.com", "o.w.n.e.r+1@googlemail.com"],
            &["owner@ex.com"],
            &["o.wner@ex.com"],
        ];
        let mut counts = Vec::new();
        for spellings in mailboxes {
            let first = count(spellings[0]);
            for spelling in spellings {
                assert_eq!(count(spelling), first, "{spelling}");
            }
            assert!(!counts.contains(&first), "{spellings:?}");
            counts.push(first);
        }
    }

    #[test]
    fn stored_counts_are_merged_and_lower_ones_ignored() {
        let limits = limits();
        let failed = limits.reserve(name("a"), address("192.0.2.1"), false, 0).expect("the first");
        let stored = failed.fail();
        assert_eq!(stored.len(), 3);
        let rows = |count, ends_at| -> Vec<_> {
            let row = |counter: &Counter| LimitCount { key: counter.stored_key(), count, ends_at };
            stored.iter().map(row).collect()
        };
        // Another server has counted two more.
        limits.learn(&rows(3, 60), 0);
        limits.learn(&rows(1, 60), 0);
        limits.learn(&rows(0, 30), 0);
        assert!(limits.reserve(name("a"), address("192.0.2.1"), false, 0).is_err());
        assert!(limits.reserve(name("a"), address("192.0.2.1"), false, 60).is_ok());
    }

    #[test]
    fn stored_counts_begin_a_new_window_without_counts_of_the_last_one() {
        let limits = limits();
        let failed = limits.reserve(name("a"), address("192.0.2.1"), false, 0).expect("the first");
        let row =
            |counter: &Counter| LimitCount { key: counter.stored_key(), count: 1, ends_at: 120 };
        let stored: Vec<_> = failed.fail().iter().map(row).collect();
        fail(&limits, "a", "192.0.2.1", 2);
        assert!(limits.reserve(name("a"), address("192.0.2.1"), false, 59).is_err());
        // Another failure has begun the next window in the database.
        limits.learn(&stored, 60);
        assert!(limits.reserve(name("a"), address("192.0.2.1"), false, 60).is_ok());
    }

    #[test]
    fn unlocked_account_has_all_attempts_again_and_others_have_not() {
        let limits = limits();
        let stored = limits.reserve(name("a"), address("192.0.2.1"), false, 0).expect("the first");
        let rows: Vec<_> = stored.fail().iter().map(|one| one.stored_key()).collect();
        fail(&limits, "a", "192.0.2.1", 2);
        fail(&limits, "b", "192.0.2.2", 3);
        let counters = limits.counters_of(&[name("a"), Target::Account(1)], &[]);
        limits.forget(&counters);
        assert!(limits.reserve(name("a"), address("192.0.2.1"), false, 0).is_ok());
        assert!(limits.reserve(name("b"), address("192.0.2.2"), false, 0).is_err());
        // The stored rows are found too, except the one of the address.
        let found = rows
            .iter()
            .filter(|key| counters.ranges().any(|(first, last)| (&first..=&last).contains(key)));
        assert_eq!(found.count(), 2);
    }

    #[test]
    fn counters_of_different_kinds_have_different_keys() {
        let limits = limits();
        let from = address("192.0.2.1");
        let network = Network::of(from).to_bytes();
        let own = Target::Account(1);
        let keys = [
            limits.failures(from).key,
            limits.failures_on(own, from).key,
            limits.failures_from_everywhere(own).key,
            limits.at("registrations", from, limits.rules.per_address, false).key,
            limits.at("questions", from, limits.rules.per_address, true).key,
            limits.key.digest("name", &network),
            limits.mails_to("activation", "a@example.com").key,
            limits.mails_to("password_reset", "a@example.com").key,
        ];
        let mut distinct = keys.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), keys.len());
    }
}
