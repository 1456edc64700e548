//! Limits on guessing passwords, and on registering. An attempt is reserved before the password is
//! hashed, so parallel guesses count too, and given back when it succeeds or was never looked at.
//! Three counters: per address, per name from one address, and per account from everywhere. The
//! last one never stops a place from which the account's owner has signed in since the server's
//! start, so that an attacker cannot lock the owner out there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

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

/// An IPv4 address, or an IPv6 network of 64 bits: what one customer of a provider has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Network(u64, bool);

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Network(u64::from(v4.to_bits()), false),
            IpAddr::V6(v6) => Network((v6.to_bits() >> 64) as u64, true),
        }
    }
}

/// Whose password is tried.
#[derive(Clone, Copy, Debug)]
pub struct Target<'t> {
    /// What was sent: an identifier's canonical key, or whatever stood in its place. Attempts from
    /// one address are counted by it, so that a refusal tells nothing of who is there. None: nobody
    /// was named, whoever is signed in is asked again.
    pub name: Option<&'t str>,
    /// The account of that name, if there is one: all its names share the count from everywhere.
    pub account: Option<i64>,
}

/// Names are kept as hashes: they come from outside in any length.
type Key = [u8; 16];

impl Target<'_> {
    fn name_key(self) -> Key {
        match self.name {
            Some(name) => key_of_name(name),
            None => self.account_key(),
        }
    }

    fn account_key(self) -> Key {
        match self.account {
            Some(id) => key(Sha256::new_with_prefix("id ").chain_update(id.to_be_bytes())),
            None => key_of_name(self.name.unwrap_or_default()),
        }
    }
}

/// The address without its tag: most tags of an address lead to one mailbox.
fn mailbox(address: &str) -> String {
    let address = address.to_lowercase();
    match address.split_once('@') {
        Some((local, domain)) => {
            format!("{}@{domain}", local.split('+').next().unwrap_or_default())
        }
        None => address,
    }
}

fn key_of_name(name: &str) -> Key {
    key(Sha256::new_with_prefix("name ").chain_update(name))
}

fn key(digest: Sha256) -> Key {
    let digest = digest.finalize();
    std::array::from_fn(|place| digest[place])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Network(Network),
    NameFrom(Key, Network),
    Account(Key),
    Registrations(Network),
    /// Sign-ins with providers.
    SignIns(Network),
    MailsFrom(Network),
    /// By what the mail is about: nobody shall use up what another mail needs.
    MailsTo(&'static str, Key),
}

#[derive(Default)]
struct Counters {
    counts: HashMap<Counted, Count>,
    /// Where an account's owner has signed in, and when last.
    known: HashMap<(Key, Network), i64>,
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
}

/// How long a place of a successful sign-in is remembered, in seconds.
const KNOWN_FOR: i64 = 90 * 24 * 3600;

/// The counters; one per server.
pub struct Limits {
    rules: LimitRules,
    counters: Mutex<Counters>,
}

/// A reserved attempt: it counts as failed unless told otherwise.
#[must_use]
pub struct Attempt<'l> {
    limits: &'l Limits,
    counted: Vec<Counted>,
    /// The account and where it is tried from.
    place: Option<(Key, Network)>,
}

impl Limits {
    pub fn new(rules: LimitRules) -> Self {
        Limits { rules, counters: Mutex::default() }
    }

    /// Reserves an attempt at a password.
    pub fn reserve(&self, target: Target<'_>, from: IpAddr, now: i64) -> Result<Attempt<'_>> {
        let (account, network) = (target.account_key(), Network::of(from));
        let mut counted =
            vec![Counted::Network(network), Counted::NameFrom(target.name_key(), network)];
        if !self.counters().known.contains_key(&(account, network)) {
            counted.push(Counted::Account(account));
        }
        self.count(counted, Some((account, network)), now)
    }

    /// Refuses an address that has failed too often, before anything is looked up for it.
    pub fn check_address(&self, from: IpAddr, now: i64) -> Result<()> {
        let counted = Counted::Network(Network::of(from));
        match self.rules.enabled {
            true => self.counters().check(&counted, self.allowed(&counted), now),
            false => Ok(()),
        }
    }

    /// Counts an attempt to register, whatever comes of it.
    pub fn count_registration(&self, from: IpAddr, now: i64) -> Result<()> {
        self.count(vec![Counted::Registrations(Network::of(from))], None, now).map(drop)
    }

    /// Counts a sign-in with a provider, each of which costs a request there or a row here.
    pub fn count_sign_in(&self, from: IpAddr, now: i64) -> Result<()> {
        self.count(vec![Counted::SignIns(Network::of(from))], None, now).map(drop)
    }

    /// Reserves an attempt at a mailed link, whose token nobody can guess, but each look costs a
    /// write.
    pub fn reserve_link(&self, from: IpAddr, now: i64) -> Result<Attempt<'_>> {
        self.count(vec![Counted::Network(Network::of(from))], None, now)
    }

    /// Counts a request to mail something to an address, whether anybody has it or not.
    pub fn count_request(
        &self,
        about: &'static str,
        address: &str,
        from: IpAddr,
        now: i64,
    ) -> Result<()> {
        let to = Counted::MailsTo(about, key_of_name(&mailbox(address)));
        self.count(vec![Counted::MailsFrom(Network::of(from)), to], None, now).map(drop)
    }

    /// Counts a mail that nobody has asked for.
    pub fn count_mail(&self, about: &'static str, address: &str, now: i64) -> Result<()> {
        let to = Counted::MailsTo(about, key_of_name(&mailbox(address)));
        self.count(vec![to], None, now).map(drop)
    }

    /// Forgets windows that have passed.
    pub fn forget_before(&self, now: i64) {
        let mut counters = self.counters();
        counters.counts.retain(|_, count| count.ends_at > now);
        counters.known.retain(|_, seen| *seen > now - KNOWN_FOR);
    }

    fn count(
        &self,
        counted: Vec<Counted>,
        place: Option<(Key, Network)>,
        now: i64,
    ) -> Result<Attempt<'_>> {
        if !self.rules.enabled {
            return Ok(Attempt { limits: self, counted: Vec::new(), place: None });
        }
        let mut counters = self.counters();
        for one in &counted {
            counters.check(one, self.allowed(one), now)?;
        }
        for one in &counted {
            counters.count(one, self.allowed(one), now);
        }
        drop(counters);
        Ok(Attempt { limits: self, counted, place })
    }

    fn allowed(&self, counted: &Counted) -> Allowed {
        match counted {
            Counted::Network(_) => self.rules.per_address,
            Counted::NameFrom(..) => self.rules.per_account_and_address,
            Counted::Account(_) => self.rules.per_account,
            Counted::SignIns(_) => self.rules.sign_ins_per_address,
            Counted::Registrations(_) => self.rules.registrations_per_address,
            Counted::MailsFrom(_) => self.rules.mails_per_address,
            Counted::MailsTo(..) => self.rules.mails_per_recipient,
        }
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    fn check(&self, counted: &Counted, allowed: Allowed, now: i64) -> Result<()> {
        match self.counts.get(counted) {
            // A clock that was set back must not stretch a window.
            Some(count) if count.is_open(allowed, now) && count.count >= allowed.attempts => {
                Err(Error::RateLimited { retry_after: count.ends_at - now })
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, counted: &Counted, allowed: Allowed, now: i64) {
        let fresh = Count { count: 0, ends_at: now + allowed.window };
        let count = self.counts.entry(*counted).or_insert(fresh);
        if !count.is_open(allowed, now) {
            *count = fresh;
        }
        count.count += 1;
    }
}

impl Attempt<'_> {
    /// Gives the reservation back and remembers the place. Earlier failures stay counted: an own
    /// account must not buy an attacker more guesses at others.
    pub fn succeeded(self, now: i64) {
        if let Some(place) = self.place {
            self.limits.counters().known.insert(place, now);
        }
        self.give_back();
    }

    fn give_back(self) {
        let mut counters = self.limits.counters();
        for one in &self.counted {
            if let Some(count) = counters.counts.get_mut(one) {
                count.count = count.count.saturating_sub(1);
            }
        }
    }

    /// Settles the attempt by what came of it.
    pub fn settle<T>(self, outcome: &Result<T>, now: i64) {
        match outcome {
            Ok(_) => self.succeeded(now),
            Err(Error::Busy { .. } | Error::Internal(_)) => self.give_back(),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let allowed = |attempts| Allowed { attempts, window: 60 };
        Limits::new(LimitRules {
            enabled: true,
            per_address: allowed(6),
            per_account_and_address: allowed(3),
            per_account: allowed(4),
            registrations_per_address: allowed(2),
            mails_per_address: allowed(5),
            mails_per_recipient: allowed(2),
            sign_ins_per_address: allowed(2),
        })
    }

    fn name(name: &str) -> Target<'_> {
        Target { name: Some(name), account: None }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn fail(limits: &Limits, key: &str, from: &str, times: usize) {
        for _ in 0..times {
            drop(limits.reserve(name(key), address(from), 0));
        }
    }

    #[test]
    fn parallel_guesses_are_counted_before_their_outcome_is_known() {
        let limits = limits();
        let held: Vec<_> =
            (0..100).map(|_| limits.reserve(name("a"), address("192.0.2.1"), 0)).collect();
        assert_eq!(held.iter().filter(|attempt| attempt.is_ok()).count(), 3);
    }

    #[test]
    fn a_window_passes() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        let refused = limits.reserve(name("a"), address("192.0.2.1"), 59);
        assert!(matches!(refused, Err(Error::RateLimited { retry_after: 1 })));
        assert!(limits.reserve(name("a"), address("192.0.2.1"), 60).is_ok());
    }

    #[test]
    fn a_success_of_ones_own_buys_no_guesses_at_others() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        fail(&limits, "b", "192.0.2.1", 2);
        limits.reserve(name("own"), address("192.0.2.1"), 0).expect("the sixth").succeeded(0);
        fail(&limits, "c", "192.0.2.1", 1);
        assert!(limits.reserve(name("d"), address("192.0.2.1"), 0).is_err());
    }

    #[test]
    fn many_addresses_cannot_lock_the_owner_out_of_a_known_place() {
        let limits = limits();
        limits.reserve(name("a"), address("198.51.100.7"), 0).expect("the owner").succeeded(0);
        for last in 1..=9 {
            fail(&limits, "a", &format!("192.0.2.{last}"), 3);
        }
        assert!(limits.reserve(name("a"), address("203.0.113.1"), 0).is_err());
        assert!(limits.reserve(name("a"), address("198.51.100.7"), 0).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_place_and_a_mapped_address_is_its_ipv4_one() {
        let limits = limits();
        fail(&limits, "a", "2001:db8::1", 2);
        fail(&limits, "a", "2001:db8::ffff:1", 1);
        assert!(limits.reserve(name("a"), address("2001:db8::2"), 0).is_err());
        fail(&limits, "b", "192.0.2.1", 3);
        assert!(limits.reserve(name("b"), address("::ffff:192.0.2.1"), 0).is_err());
    }

    #[test]
    fn a_hundred_thousand_other_names_do_not_reset_a_counter() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        for other in 0..100_000_u32 {
            drop(limits.reserve(name(&other.to_string()), IpAddr::V4(other.into()), 0));
        }
        assert!(limits.reserve(name("a"), address("192.0.2.1"), 0).is_err());
    }

    #[test]
    fn an_attempt_that_was_not_looked_at_does_not_count() {
        let limits = limits();
        for _ in 0..10 {
            let attempt = limits.reserve(name("a"), address("192.0.2.1"), 0);
            let busy: Result<()> = Err(Error::Busy { retry_after: 1 });
            attempt.expect("a free place").settle(&busy, 0);
        }
        let wrong: Result<()> = Err(Error::InvalidCredentials);
        for _ in 0..3 {
            let attempt = limits.reserve(name("a"), address("192.0.2.1"), 0);
            attempt.expect("a free place").settle(&wrong, 0);
        }
        assert!(limits.reserve(name("a"), address("192.0.2.1"), 0).is_err());
    }

    #[test]
    fn a_name_that_looks_like_an_id_counts_for_itself() {
        let limits = limits();
        fail(&limits, "@7", "192.0.2.1", 3);
        fail(&limits, "7", "192.0.2.1", 2);
        let own = Target { name: None, account: Some(7) };
        assert!(limits.reserve(own, address("192.0.2.1"), 0).is_ok());
    }

    #[test]
    fn registrations_are_counted_apart() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        let register = || limits.count_registration(address("192.0.2.1"), 0);
        assert!(register().is_ok() && register().is_ok() && register().is_err());
    }

    #[test]
    fn names_of_one_account_are_not_shown_to_belong_together_from_one_address() {
        let limits = limits();
        let email = Target { name: Some("anna@example.com"), account: Some(1) };
        let phone = Target { name: Some("+491701234567"), account: Some(1) };
        for _ in 0..3 {
            drop(limits.reserve(email, address("192.0.2.1"), 0));
        }
        assert!(limits.reserve(email, address("192.0.2.1"), 0).is_err());
        assert!(limits.reserve(phone, address("192.0.2.1"), 0).is_ok());
        assert!(limits.reserve(phone, address("192.0.2.2"), 0).is_err(), "four are enough");
    }
}
