//! Limits on guessing passwords. An attempt is reserved before the password is hashed, so parallel
//! guesses count too, and given back when it succeeds. Three counters: per address, per account from
//! one address, and per account from everywhere; the last one never stops an address from which the
//! account's owner has signed in before, so an attacker cannot lock the owner out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Network(Network),
    AccountFrom(String, Network),
    Account(String),
}

#[derive(Default)]
struct Counters {
    failures: HashMap<Counted, Failures>,
    /// Where an account's owner has signed in, and when last.
    known: HashMap<(String, Network), i64>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    ends_at: i64,
}

/// How long a place of a successful sign-in is remembered, in seconds.
const KNOWN_FOR: i64 = 90 * 24 * 3600;

/// The counters; one per server.
pub struct Limits {
    rules: LimitRules,
    counters: Mutex<Counters>,
}

/// A reserved attempt: it counts as failed unless [`Attempt::succeeded`] is called.
#[must_use]
pub struct Attempt<'l> {
    limits: &'l Limits,
    counted: Vec<Counted>,
}

impl Limits {
    pub fn new(rules: LimitRules) -> Self {
        Limits { rules, counters: Mutex::default() }
    }

    /// Reserves an attempt on the account behind `key` (an identifier's canonical key).
    pub fn reserve(&self, key: &str, from: IpAddr, now: i64) -> Result<Attempt<'_>> {
        if !self.rules.enabled {
            return Ok(Attempt { limits: self, counted: Vec::new() });
        }
        let network = Network::of(from);
        let mut counters = self.counters();
        let mut counted =
            vec![Counted::Network(network), Counted::AccountFrom(key.to_owned(), network)];
        if !counters.known.contains_key(&(key.to_owned(), network)) {
            counted.push(Counted::Account(key.to_owned()));
        }
        for one in &counted {
            counters.check(one, self.allowed(one), now)?;
        }
        for one in &counted {
            counters.count(one, self.allowed(one), now);
        }
        drop(counters);
        Ok(Attempt { limits: self, counted })
    }

    /// Forgets windows that have passed.
    pub fn forget_before(&self, now: i64) {
        let mut counters = self.counters();
        counters.failures.retain(|_, failures| failures.ends_at > now);
        counters.known.retain(|_, seen| *seen > now - KNOWN_FOR);
    }

    fn allowed(&self, counted: &Counted) -> Allowed {
        match counted {
            Counted::Network(_) => self.rules.per_address,
            Counted::AccountFrom(..) => self.rules.per_account_and_address,
            Counted::Account(_) => self.rules.per_account,
        }
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    fn check(&self, counted: &Counted, allowed: Allowed, now: i64) -> Result<()> {
        match self.failures.get(counted) {
            Some(failures) if failures.ends_at > now && failures.count >= allowed.attempts => {
                Err(Error::RateLimited { retry_after: failures.ends_at - now })
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, counted: &Counted, allowed: Allowed, now: i64) {
        let fresh = Failures { count: 0, ends_at: now + allowed.window };
        let failures = self.failures.entry(counted.clone()).or_insert(fresh);
        if failures.ends_at <= now {
            *failures = fresh;
        }
        failures.count += 1;
    }
}

impl Attempt<'_> {
    /// Gives the reservation back and remembers the place. Earlier failures stay counted: an own
    /// account must not buy an attacker more guesses at others.
    pub fn succeeded(self, now: i64) {
        let mut counters = self.limits.counters();
        for one in self.counted {
            if let Some(failures) = counters.failures.get_mut(&one) {
                failures.count = failures.count.saturating_sub(1);
            }
            if let Counted::AccountFrom(key, network) = one {
                counters.known.insert((key, network), now);
            }
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
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn fail(limits: &Limits, key: &str, from: &str, times: usize) {
        for _ in 0..times {
            drop(limits.reserve(key, address(from), 0));
        }
    }

    #[test]
    fn parallel_guesses_are_counted_before_their_outcome_is_known() {
        let limits = limits();
        let held: Vec<_> = (0..100).map(|_| limits.reserve("a", address("192.0.2.1"), 0)).collect();
        assert_eq!(held.iter().filter(|attempt| attempt.is_ok()).count(), 3);
    }

    #[test]
    fn a_window_passes() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        let refused = limits.reserve("a", address("192.0.2.1"), 59);
        assert!(matches!(refused, Err(Error::RateLimited { retry_after: 1 })));
        assert!(limits.reserve("a", address("192.0.2.1"), 60).is_ok());
    }

    #[test]
    fn a_success_of_ones_own_buys_no_guesses_at_others() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        fail(&limits, "b", "192.0.2.1", 2);
        limits.reserve("own", address("192.0.2.1"), 0).expect("the sixth").succeeded(0);
        fail(&limits, "c", "192.0.2.1", 1);
        assert!(limits.reserve("d", address("192.0.2.1"), 0).is_err());
    }

    #[test]
    fn many_addresses_cannot_lock_the_owner_out_of_a_known_place() {
        let limits = limits();
        limits.reserve("a", address("198.51.100.7"), 0).expect("the owner").succeeded(0);
        for last in 1..=9 {
            fail(&limits, "a", &format!("192.0.2.{last}"), 3);
        }
        assert!(limits.reserve("a", address("203.0.113.1"), 0).is_err());
        assert!(limits.reserve("a", address("198.51.100.7"), 0).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_place_and_a_mapped_address_is_its_ipv4_one() {
        let limits = limits();
        fail(&limits, "a", "2001:db8::1", 2);
        fail(&limits, "a", "2001:db8::ffff:1", 1);
        assert!(limits.reserve("a", address("2001:db8::2"), 0).is_err());
        fail(&limits, "b", "192.0.2.1", 3);
        assert!(limits.reserve("b", address("::ffff:192.0.2.1"), 0).is_err());
    }

    #[test]
    fn a_hundred_thousand_other_names_do_not_reset_a_counter() {
        let limits = limits();
        fail(&limits, "a", "192.0.2.1", 3);
        for other in 0..100_000_u32 {
            drop(limits.reserve(&other.to_string(), IpAddr::V4(other.into()), 0));
        }
        assert!(limits.reserve("a", address("192.0.2.1"), 0).is_err());
    }
}
