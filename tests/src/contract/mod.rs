//! The replay of the recorded answers: every row of a file is sent to a server in order, and all
//! differences are collected, so that one run shows all of them.
//!
//! `rows` what is recorded · `request` sends it · `expectation` what must come back · `compare`,
//! `matching` and `mails` whether it did · `deviations` where we differ on purpose · `repairs` what
//! must then be restored · `skipped` rows that are left out.

mod compare;
mod deviations;
mod expectation;
mod mails;
mod matching;
mod repairs;
mod request;
mod rows;
mod skipped;
mod tokens;

pub use tokens::{decode as decode_token, read as read_token};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use propusk_server::Clock;
use serde_json::{Value, json};

use compare::{Comparison, Difference};
use deviations::{Deviation, FREE};
use expectation::Expectation;
use matching::AccountIds;
use repairs::{REPAIRS, Step};
use request::{Captures, Missing};
use rows::{Action, Exchange, Mint, Recipe, Row, Setup};

use crate::http::{Answer, Client};
use crate::openapi::{Asked, Document};
use crate::smtp::Received;

/// Changes behind the API of a server: through its own parts, or its command line.
pub trait Backdoor {
    /// Suspends or reactivates the account with this name.
    fn set_active(&self, who: &str, is_active: bool) -> impl Future<Output = ()>;
    fn delete(&self, who: &str) -> impl Future<Output = ()>;
    fn email_of(&self, who: &str) -> impl Future<Output = String>;
    /// All mails that have arrived, the oldest first, once no other mail waits to be sent.
    fn mails(&self) -> impl Future<Output = Vec<Received>>;
    /// The server's clock; `None` if it cannot be set.
    fn clock(&self) -> Option<&Clock>;
    /// Marks all accounts as imported under their numbers, so that tokens made by the client are
    /// accepted; false if that is not possible.
    fn imports_all(&self) -> impl Future<Output = bool>;
}

/// The server under test.
pub struct Subject<'s, B> {
    pub client: &'s Client,
    pub secret: &'s str,
    /// The start of the links in mails.
    pub public_url: &'s str,
    /// The server's time, in seconds.
    pub now: &'s dyn Fn() -> i64,
    pub backdoor: &'s B,
}

/// How long an OAuth2 access token lives.
const OAUTH_ACCESS_SECONDS: i64 = 36_000;

/// A row with a wrong answer.
#[derive(Debug)]
struct Mismatch {
    id: String,
    what: String,
    difference: Difference,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { part, expected, got } = &self.difference;
        write!(
            f,
            "{} {}\n  {part}\n    expected {expected}\n    got      {got}",
            self.id, self.what
        )
    }
}

/// Replays a recorded file on a fresh server; the failure names every row that differs.
pub async fn replay<B: Backdoor>(seed: &str, subject: Subject<'_, B>) {
    let rows = rows::load(seed);
    let mismatches = mismatches(seed, &rows, subject).await;
    let list: Vec<_> = mismatches.iter().map(ToString::to_string).collect();
    assert!(
        list.is_empty(),
        "{} differences in {} rows of {seed}:\n{}",
        list.len(),
        rows.len(),
        list.join("\n")
    );
}

async fn mismatches<B: Backdoor>(
    seed: &str,
    rows: &[Row],
    subject: Subject<'_, B>,
) -> Vec<Mismatch> {
    let (captures, ids, left_out) = Default::default();
    let has_clock = subject.backdoor.clock().is_some();
    let document = Document::of(subject.client).await;
    let mut replay = Replay {
        seed,
        rows,
        subject,
        document,
        captures,
        left_out,
        ids,
        mails: 0,
        mismatches: Vec::new(),
    };
    for row in rows {
        replay.repair_before(row).await;
        let is_left_out = skipped::needs_a_clock(&row.id) && !has_clock;
        if !is_left_out {
            replay.row(row).await;
        }
    }
    replay.mismatches
}

struct Replay<'r, B> {
    seed: &'r str,
    rows: &'r [Row],
    subject: Subject<'r, B>,
    /// The server's own description, which every answer must match.
    document: Document,
    captures: Captures,
    /// Captures that are missing because a token could not be made.
    left_out: BTreeSet<String>,
    ids: AccountIds,
    /// How many of the mails have been checked.
    mails: usize,
    mismatches: Vec<Mismatch>,
}

impl<B: Backdoor> Replay<'_, B> {
    async fn row(&mut self, row: &Row) {
        match &row.action {
            Action::Exchange(exchange) => self.exchange(row, exchange).await,
            Action::Setup { setup, capture } => self.setup(row, setup, capture).await,
            Action::Mint { mint } if !self.can_be_made(mint).await => {
                self.captures.remove(&mint.name);
                self.left_out.insert(mint.name.clone());
            }
            Action::Mint { mint } => {
                self.left_out.remove(&mint.name);
                let now = (self.subject.now)();
                match tokens::mint(&mint.recipe, self.subject.secret, &self.captures, now) {
                    Ok(token) => drop(self.captures.insert(mint.name.clone(), token)),
                    Err(error) => self.report(row, "mint", error),
                }
            }
            Action::Mail { mail } => self.mail(row, mail).await,
        }
    }

    /// A token of the replaced server works only for accounts imported from it, so a token made by
    /// the client needs such accounts.
    async fn can_be_made(&self, mint: &Mint) -> bool {
        match &mint.recipe {
            Recipe::Signed { key, .. } => {
                key != "signing" || self.subject.backdoor.imports_all().await
            }
            Recipe::Tampered { from, .. } => !self.left_out.contains(from),
        }
    }

    async fn exchange(&mut self, row: &Row, exchange: &Exchange) {
        let request = match exchange.request.fill(&self.captures) {
            Ok(request) => request,
            // Captures that depend on a token that could not be made are left out too.
            Err(Missing::Capture(name)) if self.left_out.contains(&name) => {
                for name in exchange.capture.keys() {
                    self.captures.remove(name);
                    self.left_out.insert(name.clone());
                }
                return;
            }
            Err(missing) => return self.report(row, "request", missing.to_string()),
        };
        match self.subject.client.send(request).await {
            Ok(answer) => {
                self.compare(row, exchange, &answer);
                self.compare_with_document(row, exchange, &answer);
                self.capture(exchange, &answer);
            }
            Err(error) => self.report(row, "connection", error.to_string()),
        }
    }

    fn compare(&mut self, row: &Row, exchange: &Exchange, answer: &Answer) {
        let recorded = Expectation::recorded(exchange);
        if FREE.contains(&row.id.as_str()) {
            if answer.status.is_server_error() {
                self.report(row, "a free answer", answer.status.to_string());
            }
            return;
        }
        let Some(deviation) = Deviation::of(&row.id) else {
            let differences =
                comparison(&self.subject, &mut self.ids, exchange).differences(&recorded, answer);
            return self.extend(row, differences);
        };
        // Compared with a copy of the ids: a deviation must not add any.
        let as_recorded = comparison(&self.subject, &mut self.ids.clone(), exchange)
            .differences(&recorded, answer);
        if as_recorded.is_empty() {
            let stale = format!("{:?} is in the table of deviations", deviation.reason);
            return self.report(row, "answers as recorded after all", stale);
        }
        let expected = deviation.expectation(self.rows);
        let differences =
            comparison(&self.subject, &mut self.ids, exchange).differences(&expected, answer);
        self.extend(row, differences);
    }

    fn compare_with_document(&mut self, row: &Row, exchange: &Exchange, answer: &Answer) {
        let request = &exchange.request;
        let body = request.body.as_json();
        let asked = Asked { method: &request.method, path: &request.path, body: body.as_ref() };
        for problem in self.document.problems(&asked, answer) {
            self.report(row, "/openapi.json", problem);
        }
    }

    fn capture(&mut self, exchange: &Exchange, answer: &Answer) {
        let json = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        for (name, path) in &exchange.capture {
            let text = match &json[path.trim_start_matches("json.")] {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => continue,
            };
            self.left_out.remove(name);
            self.captures.insert(name.clone(), text);
        }
    }

    async fn setup(&mut self, row: &Row, setup: &Setup, capture: &BTreeMap<String, String>) {
        let backdoor = self.subject.backdoor;
        let one = |user: &BTreeMap<String, String>| {
            user.values().next().cloned().expect("an account is named by one identifier")
        };
        match setup {
            Setup::Update { user, set } => {
                backdoor.set_active(&one(user), set["is_active"]).await;
            }
            Setup::Delete { user } => backdoor.delete(&one(user)).await,
            Setup::Token { user, age } => match self.aged_link(&one(user), *age).await {
                Some(link) => self.captures.extend(capture.iter().map(|(name, path)| {
                    let is_uid = path == "json.uid";
                    (name.clone(), if is_uid { &link.uid } else { &link.token }.clone())
                })),
                None => self.report(row, "setup", "no mail with a link".to_owned()),
            },
            Setup::ExpireBearer {} => {
                let clock = backdoor.clock().expect("a row that needs a clock");
                clock.advance(OAUTH_ACCESS_SECONDS);
            }
        }
    }

    async fn repair_before(&mut self, row: &Row) {
        for repair in REPAIRS.iter().filter(|repair| repair.before == row.id) {
            match repair.step {
                Step::Reactivate(who) => self.subject.backdoor.set_active(who, true).await,
                Step::SignInAgain { who, password, captures } => {
                    let (path, field) = repairs::sign_in_route(self.seed);
                    let body = json!({field: who, "password": password});
                    let answer = self.subject.client.post(path, &body).await;
                    if answer.status != 200 {
                        let part = format!("signing in again, because of {}", repair.because_of);
                        return self.report(row, &part, answer.text());
                    }
                    let fields = captures.iter();
                    self.captures.extend(
                        fields.map(|(field, name)| ((*name).to_owned(), answer.field(field))),
                    );
                }
            }
        }
    }

    fn report(&mut self, row: &Row, part: &str, got: String) {
        let difference =
            Difference { part: part.to_owned(), expected: "nothing of the kind".to_owned(), got };
        self.extend(row, vec![difference]);
    }

    fn extend(&mut self, row: &Row, differences: Vec<Difference>) {
        self.mismatches.extend(differences.into_iter().map(|difference| Mismatch {
            id: row.id.clone(),
            what: row.what.clone(),
            difference,
        }));
    }
}

fn comparison<'c, B>(
    subject: &Subject<'c, B>,
    ids: &'c mut AccountIds,
    exchange: &Exchange,
) -> Comparison<'c> {
    let accept = exchange.request.headers.get("Accept");
    Comparison {
        now: (subject.now)(),
        secret: subject.secret,
        ids,
        of_refresh: exchange.request.path.contains("refresh"),
        indented: accept.is_some_and(|accept| accept.contains("indent")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use deviations::DEVIATIONS;
    use skipped::NEEDS_A_CLOCK;

    const SEEDS: [&str; 5] = ["000", "001", "002", "003", "004"];

    fn ids() -> Vec<String> {
        SEEDS.iter().flat_map(|seed| rows::load(seed)).map(|row| row.id).collect()
    }

    #[test]
    fn every_listed_row_exists_and_is_listed_once() {
        let rows: HashSet<_> = ids().into_iter().collect();
        let listed = DEVIATIONS.iter().map(|deviation| deviation.id).chain(FREE.iter().copied());
        let listed: Vec<_> = listed.collect();
        for id in listed.iter().chain(NEEDS_A_CLOCK) {
            assert!(rows.contains(*id), "{id} is listed, but not recorded");
        }
        assert_eq!(listed.iter().collect::<HashSet<_>>().len(), listed.len());
    }

    #[test]
    fn every_repair_stands_between_rows_that_exist() {
        let rows = ids();
        let place = |id: &str| {
            rows.iter().position(|row| row == id).unwrap_or_else(|| panic!("no row {id}"))
        };
        for repair in REPAIRS {
            assert!(place(repair.because_of) < place(repair.before), "{repair:?}");
        }
    }

    #[test]
    fn every_crash_and_redirect_of_the_libraries_is_answered_otherwise() {
        for row in SEEDS.iter().flat_map(|seed| rows::load(seed)) {
            let status = row.exchange().map_or(200, |exchange| exchange.response.status);
            assert!(
                Deviation::of(&row.id).is_some() || ![500, 301].contains(&status),
                "{} {}",
                row.id,
                row.what
            );
        }
    }

    #[test]
    fn every_deviation_has_an_answer() {
        for seed in SEEDS {
            let rows = rows::load(seed);
            for deviation in DEVIATIONS.iter().filter(|deviation| deviation.id.starts_with(seed)) {
                assert_ne!(deviation.expectation(&rows).status, 500);
            }
        }
    }
}
