//! Limits on guessing passwords, on registering and on mails. An attempt is reserved before the
//! password is hashed, so parallel guesses count too, and given back when it succeeds or was never
//! looked at. Three counters: per address, per name from one address, and per name from
//! everywhere. The last one never stops a place where the account's owner is known, so that an
//! attacker cannot lock the owner out there. Counters that decide about people are also stored (see
//! `counting`); keys are digests, because names come from outside in any length.

pub mod network;
pub mod places;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::auth::limits::network::Network;
use crate::auth::secrets::digest::{Digest, DigestKey};
use crate::auth::secrets::random::hex;
use crate::error::{Error, Result};
use crate::identifier::Email;
use crate::store::limit_counts::{self, LimitCount};
use crate::store::{Tx, outbox};

/// How many failed attempts are looked at within `window` seconds.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    pub attempts: u32,
    pub window: i64,
}

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

/// Whose password is tried. Each of the two has counts of its own, from one address and from
/// everywhere.
#[derive(Clone, Copy, Debug)]
pub enum Target<'t> {
    /// At a sign-in, what was sent: an identifier's canonical key, or the text in its place. Not its
    /// account: a failure on one name that refuses the next try of another would show that both name
    /// one account, and that there is one. So an account may be tried as often as it has names.
    Name(&'t str),
    /// The signed-in account is asked again. Who tries its names without being signed in does not keep
    /// its owner from a change that needs the password.
    Account(i64),
}

/// One text for all addresses that are known to lead to one mailbox: however they are spelled, and with
/// any tag. Gmail has two domains and ignores dots.
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

/// What is counted, and how much of it is allowed.
#[derive(Clone, Copy)]
pub struct Counter {
    key: Digest,
    allowed: Allowed,
    /// A restart of the server does not begin it anew.
    is_stored: bool,
}

impl Counter {
    /// When the next window begins, if the stored one is full. Nobody else counts there until the
    /// write ends.
    async fn full_until(&self, tx: &mut Tx, now: i64) -> Result<Option<i64>> {
        let new_end = now + self.allowed.window;
        let stored = limit_counts::lock(tx, hex(&self.key), new_end).await?;
        Ok(Count::from(&stored).full_until(self.allowed, now))
    }

    /// Adds one to the stored count.
    pub(in crate::auth) async fn store(&self, tx: &mut Tx, now: i64) -> Result<LimitCount> {
        limit_counts::add_one(tx, hex(&self.key), now, now + self.allowed.window).await
    }
}

#[derive(Clone, Copy)]
struct Count {
    count: u32,
    ends_at: i64,
}

impl Count {
    fn is_open(self, allowed: Allowed, now: i64) -> bool {
        (now..=now + allowed.window).contains(&(self.ends_at - 1))
    }

    /// When the next window begins, if this one is full. A clock that was set back must not stretch
    /// a window.
    fn full_until(self, allowed: Allowed, now: i64) -> Option<i64> {
        let is_full = self.is_open(allowed, now) && self.count >= allowed.attempts;
        is_full.then_some(self.ends_at)
    }
}

impl From<&LimitCount> for Count {
    fn from(stored: &LimitCount) -> Self {
        let count = u32::try_from(stored.count).unwrap_or(u32::MAX);
        Count { count, ends_at: stored.ends_at }
    }
}

/// How a mail waits that is too many.
pub struct Late {
    pub until: i64,
    /// What it waits for, as it is stored.
    pub count: String,
}

/// The counters; one set per server.
pub struct Limits {
    rules: LimitRules,
    key: DigestKey,
    counts: Mutex<HashMap<Digest, Count>>,
}

/// A reserved attempt: it counts as failed unless it is settled otherwise.
#[must_use]
pub struct Attempt<'l> {
    limits: &'l Limits,
    counted: Vec<Counter>,
}

impl Limits {
    pub fn new(rules: LimitRules, key: DigestKey) -> Self {
        Limits { rules, key, counts: Mutex::default() }
    }

    /// Whether there are any.
    pub fn are_enabled(&self) -> bool {
        self.rules.enabled
    }

    /// Reserves an attempt at a password; `is_known`: the account's owner is known at this place.
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

    /// Refuses an address that has failed too often, before anything is looked up for it.
    pub fn check_address(&self, from: IpAddr, now: i64) -> Result<()> {
        match self.rules.enabled {
            true => check(&self.counts(), &self.failures(from), now),
            false => Ok(()),
        }
    }

    /// Counts an attempt to register, whatever comes of it.
    pub fn count_registration(&self, from: IpAddr, now: i64) -> Result<()> {
        let counter = self.at("registrations", from, self.rules.registrations_per_address, false);
        self.count(vec![counter], now).map(drop)
    }

    /// Counts a sign-in with a provider, each of which costs a request there or a row here.
    pub fn count_sign_in(&self, from: IpAddr, now: i64) -> Result<()> {
        let counter = self.at("sign-ins", from, self.rules.sign_ins_per_address, false);
        self.count(vec![counter], now).map(drop)
    }

    /// Reserves an attempt at a mailed link: its token cannot be guessed, but each look costs a
    /// write.
    pub fn reserve_link(&self, from: IpAddr, now: i64) -> Result<Attempt<'_>> {
        self.count(vec![self.failures(from)], now)
    }

    /// Counts a request to mail something, whether or not a mail goes out.
    pub fn count_question(&self, from: IpAddr, now: i64) -> Result<Attempt<'_>> {
        let counter = self.at("questions", from, self.rules.mails_per_address, true);
        self.count(vec![counter], now)
    }

    /// Counts a notice that goes out to a mailbox; false where it may not. Each kind of mail has an
    /// allowance of its own, so that no kind uses up what another needs.
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

    /// Counts a mail with a link that goes out to a mailbox, and answers `None`; or answers what it
    /// waits for. Those that wait come first: else new ones could take each window as it begins.
    pub async fn admit_link(
        &self,
        tx: &mut Tx,
        about: &str,
        address: &str,
        now: i64,
    ) -> Result<Option<Late>> {
        if !self.rules.enabled {
            return Ok(None);
        }
        let counter = self.mails_to(about, address);
        let (full_until, count) = (counter.full_until(tx, now).await?, hex(&counter.key));
        let is_any_waiting = outbox::is_any_waiting(tx, count.clone()).await?;
        if full_until.is_none() && !is_any_waiting {
            counter.store(tx, now).await?;
            return Ok(None);
        }
        Ok(Some(Late { until: full_until.unwrap_or(now), count }))
    }

    /// Counts a late mail, which waits for `count`, and answers `None`; or answers until when it waits
    /// on.
    pub async fn admit_late(&self, tx: &mut Tx, count: &str, now: i64) -> Result<Option<i64>> {
        let Some(key) = digest(count).filter(|_| self.rules.enabled) else { return Ok(None) };
        let counter = Counter { key, allowed: self.rules.mails_per_recipient, is_stored: true };
        let full_until = counter.full_until(tx, now).await?;
        if full_until.is_none() {
            counter.store(tx, now).await?;
        }
        Ok(full_until)
    }

    /// Costs what counting a mail with a link costs.
    pub async fn pretend_mail(&self, tx: &mut Tx, address: &str, now: i64) -> Result<()> {
        self.admit_link(tx, "decoy", address, now).await.map(drop)
    }

    /// Takes in what is stored, of this server's failures and of other servers'. Their windows are
    /// the stored ones; what was counted here in a window that is over does not count in the next.
    pub fn learn(&self, stored: &[LimitCount], now: i64) {
        let mut counts = self.counts();
        for row in stored {
            let Some(key) = digest(&row.key) else { continue };
            let Count { count, ends_at } = row.into();
            let known = counts.entry(key).or_insert(Count { count, ends_at });
            let own = if known.ends_at > now { known.count } else { 0 };
            *known = Count { count: count.max(own), ends_at };
        }
    }

    /// Forgets windows that have passed.
    pub fn forget_before(&self, now: i64) {
        self.counts().retain(|_, count| count.ends_at > now);
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
        Counter { key, allowed: self.rules.per_account_and_address, is_stored: true }
    }

    fn failures_from_everywhere(&self, target: Target<'_>) -> Counter {
        let key = self.digest_of(target);
        Counter { key, allowed: self.rules.per_account, is_stored: true }
    }

    fn mails_to(&self, about: &str, address: &str) -> Counter {
        let value = format!("{about}\0{}", mailbox(address));
        let key = self.key.digest("mails", value.as_bytes());
        Counter { key, allowed: self.rules.mails_per_recipient, is_stored: true }
    }

    fn at(&self, kind: &str, from: IpAddr, allowed: Allowed, is_stored: bool) -> Counter {
        let key = self.key.digest(kind, &Network::of(from).to_bytes());
        Counter { key, allowed, is_stored }
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
    let fresh = Count { count: 0, ends_at: now + counter.allowed.window };
    let count = counts.entry(counter.key).or_insert(fresh);
    if !count.is_open(counter.allowed, now) {
        *count = fresh;
    }
    count.count += 1;
}

/// A digest as it is stored.
fn digest(text: &str) -> Option<Digest> {
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

impl Attempt<'_> {
    /// Gives the reservation back. Earlier failures stay counted: an own account must not buy an
    /// attacker more guesses at others.
    pub fn give_back(self) {
        let mut counts = self.limits.counts();
        for counter in &self.counted {
            if let Some(count) = counts.get_mut(&counter.key) {
                count.count = count.count.saturating_sub(1);
            }
        }
    }

    /// Counts it as failed, and answers what is to be stored of that.
    pub fn fail(self) -> Vec<Counter> {
        self.counted.into_iter().filter(|counter| counter.is_stored).collect()
    }

    /// Settles the attempt by what came of it, and answers what is to be stored of that.
    pub fn settle<T>(self, outcome: &Result<T>) -> Vec<Counter> {
        match outcome {
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
    fn parallel_guesses_are_counted_before_their_outcome_is_known() {
        let limits = limits();
        let held: Vec<_> =
            (0..100).map(|_| limits.reserve(name("a"), address("192.0.2.1"), false, 0)).collect();
        assert_eq!(held.iter().filter(|attempt| attempt.is_ok()).count(), 3);
    }

    #[test]
    fn a_window_passes() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        let refused = limits.reserve(name("a"), address("192.0.2.1"), false, 59);
        assert!(matches!(refused, Err(Error::RateLimited { retry_after: 1 })));
        assert!(limits.reserve(name("a"), address("192.0.2.1"), false, 60).is_ok());
    }

    #[test]
    fn a_success_of_ones_own_buys_no_guesses_at_others() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        fail(&limits, "b", "192.0.2.1", 2);
        limits.reserve(name("own"), address("192.0.2.1"), false, 0).expect("the sixth").give_back();
        fail(&limits, "c", "192.0.2.1", 1);
        assert!(limits.reserve(name("d"), address("192.0.2.1"), false, 0).is_err());
    }

    #[test]
    fn many_addresses_cannot_lock_the_owner_out_of_a_known_place() {
        let limits = limits();
        for last in 1..=9 {
            fail(&limits, "a", &format!("192.0.2.{last}"), 3);
        }
        assert!(limits.reserve(name("a"), address("203.0.113.1"), false, 0).is_err());
        assert!(limits.reserve(name("a"), address("198.51.100.7"), true, 0).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_place_and_a_mapped_address_is_its_ipv4_one() {
        let limits = limits();
        fail(&limits, "a", "2001:db8::1", 2);
        fail(&limits, "a", "2001:db8::ffff:1", 1);
        assert!(limits.reserve(name("a"), address("2001:db8::2"), false, 0).is_err());
        fail(&limits, "b", "192.0.2.1", 3);
        assert!(limits.reserve(name("b"), address("::ffff:192.0.2.1"), false, 0).is_err());
    }

    #[test]
    fn a_hundred_thousand_other_names_do_not_reset_a_counter() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        for other in 0..100_000_u32 {
            drop(limits.reserve(name(&other.to_string()), IpAddr::V4(other.into()), false, 0));
        }
        assert!(limits.reserve(name("a"), address("192.0.2.1"), false, 0).is_err());
    }

    #[test]
    fn an_attempt_that_was_not_looked_at_does_not_count() {
        let limits = limits();
        for _ in 0..10 {
            let attempt = limits.reserve(name("a"), address("192.0.2.1"), false, 0);
            let busy: Result<()> = Err(Error::Busy { retry_after: 1 });
            attempt.expect("a free place").settle(&busy);
        }
        let wrong: Result<()> = Err(Error::InvalidCredentials);
        for _ in 0..3 {
            let attempt = limits.reserve(name("a"), address("192.0.2.1"), false, 0);
            attempt.expect("a free place").settle(&wrong);
        }
        assert!(limits.reserve(name("a"), address("192.0.2.1"), false, 0).is_err());
    }

    #[test]
    fn a_name_that_looks_like_an_id_counts_for_itself() {
        let limits = limits();
        fail(&limits, "@7", "192.0.2.1", 3);
        fail(&limits, "7", "192.0.2.1", 2);
        let own = Target::Account(7);
        assert!(limits.reserve(own, address("192.0.2.1"), false, 0).is_ok());
    }

    #[test]
    fn registrations_are_counted_apart() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        let register = || limits.count_registration(address("192.0.2.1"), 0);
        assert!(register().is_ok() && register().is_ok() && register().is_err());
    }

    #[test]
    fn a_signed_in_account_is_counted_apart_from_its_names() {
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
    fn a_mailbox_has_one_count_however_it_is_spelled() {
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
    fn what_is_stored_is_counted_on_and_less_takes_nothing_back() {
        let limits = limits();
        let failed = limits.reserve(name("a"), address("192.0.2.1"), false, 0).expect("the first");
        let stored = failed.fail();
        assert_eq!(stored.len(), 3);
        let rows = |count, ends_at| -> Vec<_> {
            let row = |counter: &Counter| LimitCount { key: hex(&counter.key), count, ends_at };
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
    fn what_was_counted_in_a_window_that_is_over_does_not_count_in_the_next() {
        let limits = limits();
        let failed = limits.reserve(name("a"), address("192.0.2.1"), false, 0).expect("the first");
        let row = |counter: &Counter| LimitCount { key: hex(&counter.key), count: 1, ends_at: 120 };
        let stored: Vec<_> = failed.fail().iter().map(row).collect();
        fail(&limits, "a", "192.0.2.1", 2);
        assert!(limits.reserve(name("a"), address("192.0.2.1"), false, 59).is_err());
        // Another failure has begun the next window in the database.
        limits.learn(&stored, 60);
        assert!(limits.reserve(name("a"), address("192.0.2.1"), false, 60).is_ok());
    }

    #[test]
    fn a_network_is_no_registration_question_or_name() {
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
