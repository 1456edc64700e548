//! `propusk events` and `propusk user events`: what has happened.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use propusk_server::auth::{Auth, ListedEvent};
use propusk_server::config::Config;
use serde_json::{Value, json};

use super::Outcome;
use super::database::open;
use super::input::moment;
use super::output::{date, is_json, name_database, plain, say, say_json};

/// How many events are read at once.
const PAGE: i64 = 500;
/// How often new events are read.
const POLL: Duration = Duration::from_millis(500);
/// Events become visible in the order of commits, not of their numbers: so many are read again.
const OVERLAP: i64 = 500;

/// Which events are listed.
#[derive(Args)]
pub struct EventPage {
    /// Only events of this name, such as signed_in or refused.
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Only events since this time, as in 2021-03-04T05:06:07Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// At most this many events.
    #[arg(long, value_name = "N", default_value_t = 50)]
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
        self.event.as_ref().is_none_or(|name| *name == event.event)
    }

    /// Whether all further events are older than wanted. A count of refused attempts has the
    /// instant at which its hour begins.
    fn is_over(&self, event: &ListedEvent) -> bool {
        self.since.is_some_and(|since| event.at < since && event.event != "refused")
    }
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
    loop {
        let found = match account {
            Some(id) => auth.events_of(id, before, PAGE).await?,
            None => auth.events_before(before, PAGE).await?,
        };
        let Some(last) = found.last() else { break };
        before = last.id;
        for event in found.iter().filter(|event| page.fits(event)) {
            if page.is_over(event) {
                return Ok(());
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

/// Prints events that are stored from now on; never returns, except with an error.
async fn follow(auth: &Auth, page: &EventPage) -> Outcome {
    let newest = auth.events_before(i64::MAX, OVERLAP).await?;
    eprintln!("new events of {}", auth.database());
    let mut seen: BTreeSet<i64> = newest.iter().map(|event| event.id).collect();
    loop {
        let last = seen.last().copied().unwrap_or_default();
        let mut first = last.saturating_sub(OVERLAP).max(seen.first().copied().unwrap_or_default());
        loop {
            let found = auth.events_from(first, PAGE).await?;
            for event in &found {
                if seen.insert(event.id) && page.fits(event) {
                    print(event, true)?;
                }
            }
            match found.last().filter(|_| is_full(&found)) {
                Some(last) => first = last.id + 1,
                None => break,
            }
        }
        let forgotten = seen.last().copied().unwrap_or_default() - 2 * OVERLAP;
        seen.retain(|id| *id > forgotten);
        tokio::time::sleep(POLL).await;
    }
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
    let times = (event.count > 1).then(|| format!("{} times", event.count));
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
        "{}  {:<16}  {:<20}  {}",
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
