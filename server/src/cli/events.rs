//! `propusk events` and `propusk user events`: what has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Outcome;
use super::database::open;
use super::input::moment;
use super::output::{date, is_json, name_database, plain, say, say_json};
use crate::auth::{Auth, EVENT_NAMES, ListedEvent, Span};
use crate::config::Config;

/// How many events are read at once.
const PAGE: i64 = 500;
/// How often new events are read.
const POLL: Duration = Duration::from_millis(500);
/// How often, in polls, everything is read again that may have changed: the events of the overlap,
/// and so many counts of refused attempts.
const ALL_EVERY: u32 = 10;
const COUNTS: i64 = 20_000;
/// Events become visible in the order of commits, not of their numbers, and no write takes longer.
const OVERLAP: Duration = Duration::from_secs(60);
/// So many are read again at each poll, because most writes are short.
const LAST: i64 = 500;
const HOUR: i64 = 3_600;

/// Which events are listed.
#[derive(Args)]
pub struct EventPage {
    /// Only events of this name, such as signed_in or refused.
    #[arg(long, value_name = "NAME", value_parser = event_name)]
    event: Option<&'static str>,
    /// Only events since this time, as in 2021-03-04T05:06:07Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// At most this many events.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Only events with numbers below this one: the page after it.
    #[arg(long, value_name = "ID", default_value_t = i64::MAX, hide_default_value = true)]
    before: i64,
}

#[derive(Args)]
pub struct EventsInput {
    #[command(flatten)]
    page: EventPage,
    /// Print new events as they happen, until it is interrupted.
    #[arg(long, conflicts_with_all = ["since", "limit", "before"])]
    follow: bool,
}

impl EventPage {
    fn fits(&self, event: &ListedEvent) -> bool {
        self.event.is_none_or(|name| name == event.event)
    }

    /// Whether it happened before the wanted time. A count of refused attempts has the instant at
    /// which its hour begins, and may have grown until the end of that hour.
    fn is_too_old(&self, event: &ListedEvent) -> bool {
        let last = if is_count(event) { event.at + HOUR - 1 } else { event.at };
        self.since.is_some_and(|since| last < since)
    }

    /// Whether those with lower numbers are too old as well. Not right after the first one that is:
    /// the order of numbers is not that of instants, because an event may be stored long after it
    /// happened, and clocks of servers differ.
    fn ends_at(&self, event: &ListedEvent) -> bool {
        let since = self.since.map(|since| since.saturating_sub(HOUR));
        !is_count(event) && since.is_some_and(|since| event.at < since)
    }
}

/// Whether it counts the refused attempts of an hour.
fn is_count(event: &ListedEvent) -> bool {
    event.event == "refused"
}

/// The known name: with an unknown one the list would be empty, as if nothing had happened.
fn event_name(text: &str) -> Result<&'static str, String> {
    let known = EVENT_NAMES.iter().find(|name| **name == text).copied();
    known.ok_or_else(|| {
        let mut names = EVENT_NAMES.to_vec();
        names.sort_unstable();
        format!("not an event; events are: {}", names.join(", "))
    })
}

pub async fn work(config: &Config, input: EventsInput) -> Outcome {
    let auth = open(config).await?;
    if input.follow {
        return follow(&auth, &input.page).await;
    }
    name_database();
    list(&auth, None, &input.page).await
}

/// The events of one account, the newest first.
pub async fn list_of_account(auth: &Auth, id: i64, page: &EventPage) -> Outcome {
    list(auth, Some(id), page).await
}

async fn list(auth: &Auth, account: Option<i64>, page: &EventPage) -> Outcome {
    let (mut before, mut listed) = (page.before, 0);
    'pages: loop {
        let found = match account {
            Some(id) => auth.events_of(id, before, PAGE).await?,
            None => auth.events_in(Span::Below(before), PAGE).await?,
        };
        let Some(last) = found.last() else { break };
        before = last.id;
        for event in &found {
            if page.ends_at(event) {
                break 'pages;
            }
            if page.is_too_old(event) || !page.fits(event) {
                continue;
            }
            if listed == page.limit {
                eprintln!("there are more; the next page: --before {}", event.id + 1);
                return Ok(());
            }
            print(event, account.is_none())?;
            listed += 1;
        }
    }
    if listed == 0 {
        eprintln!("no events");
    }
    Ok(())
}

/// What `--follow` has printed, or was there before.
struct Seen {
    /// Events before this one are not read again.
    first: i64,
    /// The newest event at the time `since`; becomes `first` after the overlap.
    next: i64,
    since: Instant,
    /// Those from `first` on.
    events: BTreeSet<i64>,
    /// The counts of refused attempts that may still grow.
    counts: BTreeMap<i64, i64>,
}

impl Seen {
    /// Notes an event; false if it was seen before and is the same, as all are but counts.
    fn is_new(&mut self, event: &ListedEvent) -> bool {
        let is_new = self.events.insert(event.id);
        let before = is_count(event).then(|| self.counts.insert(event.id, event.count)).flatten();
        before.map_or(is_new, |before| before != event.count)
    }

    fn last(&self) -> i64 {
        self.events.last().copied().unwrap_or_default()
    }

    /// From which event on they are read again at each poll.
    fn first_of_last(&self) -> i64 {
        self.first.max(self.last() - LAST)
    }

    /// From which event on they are read again because a write may have stored them late. One write
    /// can take thousands of numbers, so the limit is a time.
    fn first_of_all(&mut self, now: Instant) -> i64 {
        if now.duration_since(self.since) >= OVERLAP {
            (self.first, self.next, self.since) = (self.next, self.last(), now);
            let first = self.first;
            self.events.retain(|id| *id >= first);
        }
        self.first
    }
}

/// Prints events that are stored from now on, and counts again that have grown; never returns, except
/// with an error.
async fn follow(auth: &Auth, page: &EventPage) -> Outcome {
    let newest = auth.events_in(Span::Below(i64::MAX), LAST).await?;
    let counts = auth.open_counts(COUNTS).await?;
    eprintln!("new events of {}", auth.database());
    let mut seen = Seen {
        first: newest.last().map_or(0, |event| event.id),
        next: newest.first().map_or(0, |event| event.id),
        since: Instant::now(),
        events: newest.iter().map(|event| event.id).collect(),
        counts: counts.iter().map(|event| (event.id, event.count)).collect(),
    };
    let mut polls = 0_u32;
    loop {
        let reads_all = polls.is_multiple_of(ALL_EVERY);
        let mut first = match reads_all {
            true => seen.first_of_all(Instant::now()),
            false => seen.first_of_last(),
        };
        loop {
            let found = auth.events_in(Span::From(first), PAGE).await?;
            print_new(&mut seen, &found, page)?;
            match found.last().filter(|_| is_full(&found)) {
                Some(last) => first = last.id + 1,
                None => break,
            }
        }
        if reads_all {
            let found = auth.open_counts(COUNTS).await?;
            print_new(&mut seen, &found, page)?;
            let open: BTreeSet<i64> = found.iter().map(|event| event.id).collect();
            seen.counts.retain(|id, _| open.contains(id));
        }
        polls = polls.wrapping_add(1);
        tokio::time::sleep(POLL).await;
    }
}

fn print_new(seen: &mut Seen, found: &[ListedEvent], page: &EventPage) -> Outcome {
    for event in found {
        if seen.is_new(event) && page.fits(event) {
            print(event, true)?;
        }
    }
    Ok(())
}

fn is_full(found: &[ListedEvent]) -> bool {
    i64::try_from(found.len()).is_ok_and(|found| found == PAGE)
}

fn print(event: &ListedEvent, with_account: bool) -> Outcome {
    match is_json() {
        true => say_json(&to_json(event)),
        false => say(&line_of(event, with_account)),
    }
}

/// One line, for a list of one account.
pub fn line_without_account(event: &ListedEvent) -> String {
    line_of(event, false)
}

fn line_of(event: &ListedEvent, with_account: bool) -> String {
    let named = |label: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!("{label} {}", plain(value)))
    };
    let account = event.account_id.filter(|_| with_account).map(|id| format!("account {id}"));
    let times = is_count(event).then(|| match event.count {
        1 => "once in that hour".to_owned(),
        count => format!("{count} times in that hour"),
    });
    let parts = [
        account,
        times,
        event.detail.as_deref().map(plain),
        named("session", &event.session_id),
        named("client", &event.client),
        named("api", &event.dialect),
        named("from", &event.address),
        named("by", &event.operator),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    let reason = plain(event.reason.as_deref().unwrap_or_default());
    let line = format!(
        "{}  {:<18}  {:<24}  {}",
        date(event.at),
        plain(&event.event),
        reason,
        parts.join("  ")
    );
    line.trim_end().to_owned()
}

pub fn to_json(event: &ListedEvent) -> Value {
    json!({
        "id": event.id,
        "at": event.at,
        "event": event.event,
        "reason": event.reason,
        "account_id": event.account_id,
        "session_id": event.session_id,
        "client": event.client,
        "api": event.dialect,
        "address": event.address,
        "operator": event.operator,
        "detail": event.detail,
        "count": event.count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, at: i64, count: i64) -> ListedEvent {
        ListedEvent {
            id: 1,
            at,
            event: name.to_owned(),
            reason: Some("wrong_current_password".to_owned()),
            account_id: None,
            session_id: None,
            client: None,
            dialect: None,
            address: None,
            operator: None,
            detail: Some("detail".to_owned()),
            count,
        }
    }

    #[test]
    fn count_of_an_hour_is_too_old_when_its_hour_has_ended() {
        let since = |since| EventPage { event: None, since: Some(since), limit: 1, before: 1 };
        for (name, at, wanted, expected) in [
            ("refused", 0, HOUR - 1, false),
            ("refused", 0, HOUR, true),
            ("signed_in", HOUR, HOUR, false),
            ("signed_in", HOUR - 1, HOUR, true),
        ] {
            let found = since(wanted).is_too_old(&event(name, at, 1));
            assert_eq!(found, expected, "{name} {at} {wanted}");
        }
    }

    #[test]
    fn followed_events_are_read_again_for_a_minute() {
        let start = Instant::now();
        let mut seen =
            Seen { first: 1, next: 1, since: start, events: [1].into(), counts: BTreeMap::new() };
        let stored = |id| ListedEvent { id, ..event("linked", 0, 1) };
        assert!(seen.is_new(&stored(9_000)));
        assert_eq!(seen.first_of_last(), 9_000 - LAST);
        assert_eq!(seen.first_of_all(start + OVERLAP - POLL), 1);
        assert!(seen.is_new(&stored(2_000)) && !seen.is_new(&stored(2_000)));
        // What was new within the first minute is read for another one.
        assert_eq!(seen.first_of_all(start + OVERLAP), 1);
        assert!(seen.is_new(&stored(9_001)));
        assert_eq!(seen.first_of_all(start + OVERLAP * 2), 9_000);
        assert!(!seen.is_new(&stored(9_000)) && seen.events.len() == 2);
    }

    #[test]
    fn columns_begin_at_the_same_place_in_every_line() {
        let longest = EVENT_NAMES.iter().max_by_key(|name| name.len()).expect("names");
        let place = |name: &str| line_of(&event(name, 0, 1), true).find("wrong_current_password");
        assert_eq!(place(longest), place("linked"));
        let short = ListedEvent { reason: None, ..event("linked", 0, 1) };
        let detail = |event: &ListedEvent| line_of(event, true).find("detail");
        assert_eq!(detail(&short), detail(&event("linked", 0, 1)));
    }

    #[test]
    fn count_of_refused_attempts_names_its_hour() {
        assert!(line_of(&event("refused", 0, 1), true).contains("  once in that hour  "));
        assert!(line_of(&event("refused", 0, 6), true).contains("  6 times in that hour  "));
        assert!(!line_of(&event("linked", 0, 1), true).contains("in that hour"));
    }

    #[test]
    fn unknown_name_of_an_event_is_refused_with_the_known_ones() {
        for name in EVENT_NAMES {
            assert_eq!(event_name(name), Ok(*name));
        }
        for wrong in ["", "signin", "decoy"] {
            let said = event_name(wrong).expect_err("an unknown name");
            assert!(said.starts_with("not an event; events are: account_deleted, "), "{said}");
        }
    }
}
