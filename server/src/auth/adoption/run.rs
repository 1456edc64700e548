//! A run: the file is read up to three times. First its end tells that it is whole, and who keeps a
//! name; then it is compared with what is stored; then what is new or has changed, if anything, is
//! stored, batch by batch. Each batch is one transaction, so that a run that was killed is continued
//! by the next one with the same file.

use std::collections::BTreeMap;
use std::io::{BufRead, Seek};

use serde::Serialize;
use tokio::task::JoinSet;

use super::ended::end;
use super::item::{ACCOUNT, Item, Work};
use super::ledger::{ENDED_BY_ABSENCE, Ledger, Standing};
use super::names::{Claims, number};
use super::outcome::{Outcome, Terms};
use super::report::{Draft, Report, again, claims_of};
use super::seen::State;
use super::stored::{standing_of, store_all};
use super::turn::{Turn, look_ups};
use crate::auth::accounts::django_links::{DjangoClock, accept_links};
use crate::auth::adopting::{Phase, phase, set_phase};
use crate::auth::domain::Auth;
use crate::auth::policy::TokenForm;
use crate::auth::sessions::cut_off::global_cut_off;
use crate::donor::DonorError;
use crate::error::Error;
use crate::import_file::{FileError, ImportFile, SourceId};
use crate::store::adopted::{self, Adopted};
use crate::store::{accounts, meta, revocations};

/// The readings of the file in which lines are compared with what is stored.
const PLANNING: u8 = 1;
const STORING: u8 = 2;

/// How many lines one transaction stores.
const BATCH: usize = 500;
/// How many rows are read at once.
const PAGE: i64 = 5_000;
/// How far the clock of the other system may be ahead, in seconds. A file of next year would have
/// every later one refused.
const CLOCKS_DIFFER: i64 = 3_600;
/// A run that ends more than this share of the accounts must be allowed to: one in so many.
const ENDED_UNASKED: u64 = 100;

/// How a file is adopted.
pub struct AdoptionRules {
    /// Store nothing.
    pub is_dry_run: bool,
    /// The numbers of accounts in the file are below this one.
    pub numbers_end: i64,
    /// How many accounts may be deleted or disabled, even if that is more than 1 %.
    pub allow_deletions: u64,
    /// It is the last file.
    pub is_last: bool,
    /// It may be stored even if the last one was stored already.
    pub reopens: bool,
}

/// What a run has changed, or would change.
#[derive(Debug, Default, Serialize)]
pub struct Adoption {
    pub is_dry_run: bool,
    pub file: Report,
    /// Records by kind.
    pub new: BTreeMap<&'static str, u64>,
    pub changed: BTreeMap<&'static str, u64>,
    pub ended: BTreeMap<&'static str, u64>,
    /// Lines that this version does not store.
    pub not_stored: BTreeMap<&'static str, u64>,
    /// Accounts with a record that was not stored, by reason.
    pub refused: BTreeMap<&'static str, Vec<String>>,
    /// Accounts of which a part was not stored, because it has changed here or another account has
    /// it; by part.
    pub conflicts: BTreeMap<&'static str, Vec<String>>,
}

impl Adoption {
    pub fn changes(&self) -> u64 {
        [&self.new, &self.changed, &self.ended].into_iter().flat_map(BTreeMap::values).sum()
    }

    fn count(&mut self, kind: &'static str, standing: Standing) {
        let counts = match standing {
            Standing::New => &mut self.new,
            Standing::Changed => &mut self.changed,
            Standing::Same => return,
        };
        *counts.entry(kind).or_default() += 1;
    }

    fn add(&mut self, line: Line, outcome: Outcome) {
        match outcome {
            Outcome::Stored => self.count(line.kind, line.standing),
            Outcome::StoredBut(parts) => {
                self.count(line.kind, line.standing);
                for part in parts {
                    self.conflicts.entry(part).or_default().push(line.account.clone());
                }
            }
            Outcome::Known => {}
            Outcome::Refused(reason) => self.refused.entry(reason).or_default().push(line.account),
        }
    }
}

/// A line that is stored.
#[derive(Clone)]
struct Line {
    kind: &'static str,
    /// Its account there; empty if it has none.
    account: String,
    standing: Standing,
}

impl Line {
    fn of((item, standing): &(Item, Standing)) -> Line {
        let account = item.owner.as_ref().map(SourceId::to_string).unwrap_or_default();
        Line { kind: item.kind, account, standing: *standing }
    }
}

/// A run that stores something.
struct Run {
    turn: Turn,
    /// The look-ups before its first look at what is stored.
    look_ups: i64,
    adoption: Adoption,
}

/// Why a file is not adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptionError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] Error),
    #[error(transparent)]
    Donor(#[from] DonorError),
    #[error("the account {highest} is not below {end}: see accounts.first_id")]
    Number { highest: i64, end: i64 },
    #[error("a file as of a later time was stored already")]
    Older,
    #[error("the file is as of a time to come: `taken_at` is when the export began to read")]
    Future,
    #[error("another run stores a file at this time: try again when it has ended")]
    Simultaneous,
    #[error(
        "{ended} of {all} accounts would be deleted or disabled: if that is right, add --allow-deletions {ended}"
    )]
    Deletions { ended: u64, all: u64 },
    #[error(
        "the last file is stored already, and next is `propusk adopt --complete`: to store another one, add --reopen"
    )]
    LastStored,
    #[error(
        "the adoption is complete: to store another file, add --reopen, and what is unknown here is answered 503 again until `propusk adopt --complete`"
    )]
    Complete,
}

impl Auth {
    /// Stores what the file brings. `progress` gets the numbers of lines that were read.
    pub async fn adopt<F: BufRead + Seek>(
        &self,
        file: &mut F,
        rules: &AdoptionRules,
        progress: impl Fn(u64),
    ) -> Result<Adoption, AdoptionError> {
        let terms = self.adoption_terms().await?;
        let turn = Turn::begin(&self.store).await?;
        self.check_phase(rules).await?;
        file.rewind().map_err(|problem| FileError::Unreadable { line: 1, problem })?;
        let look_ups = look_ups(&mut self.store.read().await?).await?;
        // Another processor reads what is stored while this one reads the file.
        let (store, mut loading) = (self.store.clone(), JoinSet::new());
        loading.spawn(async move { Ledger::load(&store).await });
        let claims = claims_of(&mut *file)?;
        let mut ledger = match loading.join_next().await {
            Some(loaded) => loaded.map_err(|error| Error::Internal(error.into()))??,
            None => Ledger::load(&self.store).await?,
        };
        let (plan, disabled) = plan(again(file)?, &claims, &mut ledger, terms.now)?;
        self.check_plan(&plan, disabled + ledger_deletions(&ledger), ledger.accounts(), rules)
            .await?;
        if rules.is_dry_run {
            return Ok(Adoption { is_dry_run: true, ended: ledger.missing(), ..plan });
        }
        self.begin_adoption(&plan.file, turn).await?;
        let brings_something = !plan.new.is_empty() || !plan.changed.is_empty();
        let adoption =
            Adoption { file: plan.file, not_stored: plan.not_stored, ..Adoption::default() };
        let mut run = Run { turn: turn.next(), look_ups, adoption };
        if brings_something {
            self.store_lines(again(file)?, &claims, &mut ledger, terms, &mut run, progress).await?;
        }
        for kind in ENDED_BY_ABSENCE {
            self.end_missing(kind, &ledger, terms.now, &mut run).await?;
        }
        if rules.is_last {
            self.note_last(run.turn).await?;
        }
        Ok(run.adoption)
    }

    pub(super) async fn adoption_terms(&self) -> Result<Terms, Error> {
        let mut tx = self.store.read().await?;
        let foreign_not_before = global_cut_off(&mut tx).await?;
        let policy = self.policies.iter().find(|policy| policy.form == TokenForm::ApiToken);
        let (now, policy) = (self.clock.now(), policy.copied());
        Ok(Terms { now, foreign_not_before, policy, may_be_deleted: true })
    }

    /// Fails if no file may be stored any more. A dry run may say what one would change.
    async fn check_phase(&self, rules: &AdoptionRules) -> Result<(), AdoptionError> {
        let mut tx = self.store.read().await?;
        match phase(&mut tx).await? {
            _ if rules.is_dry_run || rules.reopens => Ok(()),
            None | Some(Phase::Open) => Ok(()),
            Some(Phase::LastStored) => Err(AdoptionError::LastStored),
            Some(Phase::Complete) => Err(AdoptionError::Complete),
        }
    }

    async fn check_plan(
        &self,
        plan: &Adoption,
        ended: u64,
        all: u64,
        rules: &AdoptionRules,
    ) -> Result<(), AdoptionError> {
        let accounts = &plan.file.accounts;
        let end = rules.numbers_end;
        if let Some(highest) = accounts.highest_number.filter(|highest| *highest >= end) {
            return Err(AdoptionError::Number { highest, end });
        }
        let mut tx = self.store.read().await?;
        let newest = meta::get(&mut tx, meta::ADOPTED_AS_OF).await?;
        let newest: Option<i64> = newest.and_then(|at| at.parse().ok());
        if newest.is_some_and(|newest| plan.file.taken_at < newest) {
            return Err(AdoptionError::Older);
        }
        if plan.file.taken_at > self.clock.now().saturating_add(CLOCKS_DIFFER) {
            return Err(AdoptionError::Future);
        }
        match ended > rules.allow_deletions && ended * ENDED_UNASKED > all {
            true => Err(AdoptionError::Deletions { ended, all }),
            false => Ok(()),
        }
    }

    /// Opens the adoption, and raises the next number once, because its lock would hold up a running
    /// server with each batch.
    async fn begin_adoption(&self, file: &Report, turn: Turn) -> Result<(), AdoptionError> {
        let (highest, taken_at) = (file.accounts.highest_number, file.taken_at);
        let clock =
            DjangoClock { utc_offset: file.django_utc_offset, is_local: file.django_local_times };
        let link_seconds = file.django_link_seconds.and_then(|seconds| i64::try_from(seconds).ok());
        let users = file.django_users.as_ref().map(serde_json::to_string).transpose();
        let users = users.map_err(Error::from)?;
        let beginning = self.store.write(move |tx| {
            Box::pin(async move {
                if !turn.take(tx).await? {
                    return Ok(false);
                }
                set_phase(tx, Phase::Open).await?;
                if let Some(highest) = highest {
                    accounts::raise_sequence(tx, highest).await?;
                }
                if let Some(seconds) = link_seconds {
                    accept_links(tx, taken_at, seconds, clock).await?;
                }
                if let Some(users) = users {
                    meta::set(tx, meta::DJANGO_USERS, users).await?;
                }
                meta::set(tx, meta::ADOPTED_AS_OF, taken_at.to_string()).await?;
                Ok(true)
            })
        });
        in_turn(beginning.await?)?;
        Ok(self.load_adopting().await.map(drop)?)
    }

    /// Notes that the last file has been stored as a whole.
    async fn note_last(&self, turn: Turn) -> Result<(), AdoptionError> {
        let end = self.store.write(move |tx| {
            Box::pin(async move {
                let is_its_turn = turn.take(tx).await?;
                if is_its_turn {
                    set_phase(tx, Phase::LastStored).await?;
                }
                Ok(is_its_turn)
            })
        });
        in_turn(end.await?)
    }

    /// Stores the lines that are new or have changed.
    async fn store_lines(
        &self,
        mut lines: ImportFile<impl BufRead>,
        claims: &Claims,
        ledger: &mut Ledger,
        terms: Terms,
        run: &mut Run,
        progress: impl Fn(u64),
    ) -> Result<(), AdoptionError> {
        let mut batch = Vec::new();
        while let Some(record) = lines.next_record()? {
            let line = lines.line();
            let names = claims.judge(&record, line);
            if let Ok(Some(item)) = Item::of(record, names, terms.now) {
                match ledger.compare(&item, STORING) {
                    Standing::Same => {}
                    standing => batch.push((item, standing)),
                }
            }
            if batch.len() >= BATCH {
                self.store_batch(std::mem::take(&mut batch), terms, run).await?;
            }
            progress(line);
        }
        self.store_batch(batch, terms, run).await
    }

    async fn store_batch(
        &self,
        batch: Vec<(Item, Standing)>,
        terms: Terms,
        run: &mut Run,
    ) -> Result<(), AdoptionError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (turn, known_look_ups) = (run.turn, run.look_ups);
        let storing = self.store.write(move |tx| {
            Box::pin(async move {
                if !turn.take(tx).await? {
                    return Ok(None);
                }
                let numbers = || batch.iter().filter_map(|(item, _)| number(item.owner.as_ref()?));
                let may_be_deleted = match (numbers().min(), numbers().max()) {
                    (Some(first), Some(last)) => revocations::were_deleted(tx, first, last).await?,
                    _ => false,
                };
                let terms = Terms { may_be_deleted, ..terms };
                let may_be_stored = look_ups(tx).await? != known_look_ups;
                let mut done = Vec::with_capacity(batch.len());
                if !may_be_stored {
                    let lines: Vec<_> = batch.iter().map(Line::of).collect();
                    done.extend(lines.into_iter().zip(store_all(tx, batch, terms).await?));
                    return Ok(Some(done));
                }
                for (item, _) in batch {
                    let standing = standing_of(tx, &item).await?;
                    if standing != Standing::Same {
                        let item = (item, standing);
                        let line = Line::of(&item);
                        let outcomes = store_all(tx, vec![item], terms).await?;
                        done.extend(outcomes.into_iter().map(|outcome| (line.clone(), outcome)));
                    }
                }
                Ok(Some(done))
            })
        });
        let done: Option<Vec<(Line, Outcome)>> = storing.await?;
        let done = done.ok_or(AdoptionError::Simultaneous)?;
        done.into_iter().for_each(|(line, outcome)| run.adoption.add(line, outcome));
        run.turn = turn.next();
        Ok(())
    }

    /// Ends what is stored of this kind and not in the file.
    async fn end_missing(
        &self,
        kind: &'static str,
        ledger: &Ledger,
        now: i64,
        run: &mut Run,
    ) -> Result<(), AdoptionError> {
        if !ledger.missing().contains_key(kind) {
            return Ok(());
        }
        let mut after = String::new();
        loop {
            let mut tx = self.store.read().await?;
            let page = adopted::adopted_after(&mut tx, kind, after, PAGE).await?;
            drop(tx);
            let Some(last) = page.last() else { return Ok(()) };
            after = last.key.clone();
            let missing: Vec<Adopted> =
                page.into_iter().filter(|row| ledger.is_missing(kind, &row.key)).collect();
            for batch in missing.chunks(BATCH) {
                self.end_batch(kind, batch.to_vec(), now, run).await?;
            }
        }
    }

    async fn end_batch(
        &self,
        kind: &'static str,
        batch: Vec<Adopted>,
        now: i64,
        run: &mut Run,
    ) -> Result<(), AdoptionError> {
        let turn = run.turn;
        let ending = self.store.write(move |tx| {
            Box::pin(async move {
                if !turn.take(tx).await? {
                    return Ok(None);
                }
                let (mut ended, mut kept) = (0, Vec::new());
                for row in batch {
                    match end(tx, &row, now).await? {
                        true => ended += 1,
                        false => kept.push(row.key.trim_start_matches('=').to_owned()),
                    }
                }
                Ok(Some((ended, kept)))
            })
        });
        let done: Option<(u64, Vec<String>)> = ending.await?;
        let (ended, kept) = done.ok_or(AdoptionError::Simultaneous)?;
        run.turn = turn.next();
        let adoption = &mut run.adoption;
        if ended > 0 {
            *adoption.ended.entry(kind).or_default() += ended;
        }
        if !kept.is_empty() {
            adoption.refused.entry("deleted there, used here").or_default().extend(kept);
        }
        Ok(())
    }
}

/// What the file would change, and how many accounts it would disable.
fn plan(
    mut file: ImportFile<impl BufRead>,
    claims: &Claims,
    ledger: &mut Ledger,
    now: i64,
) -> Result<(Adoption, u64), AdoptionError> {
    let mut draft = Draft::new(file.start());
    let (mut adoption, mut disabled) = (Adoption::default(), 0);
    while let Some(record) = file.next_record()? {
        let line = file.line();
        let names = claims.judge(&record, line);
        draft.add(&record, line, &names);
        match Item::of(record, names, now) {
            Ok(Some(item)) => {
                let standing = ledger.compare(&item, PLANNING);
                adoption.count(item.kind, standing);
                disabled += u64::from(is_disabled(&item) && ledger.was_active(&item));
            }
            Ok(None) => {}
            Err(kind) => *adoption.not_stored.entry(kind).or_default() += 1,
        }
    }
    adoption.file = draft.finish();
    Ok((adoption, disabled))
}

/// Fails if another run has written meanwhile.
fn in_turn(is_its_turn: bool) -> Result<(), AdoptionError> {
    match is_its_turn {
        true => Ok(()),
        false => Err(AdoptionError::Simultaneous),
    }
}

fn is_disabled(item: &Item) -> bool {
    matches!(&item.work, Work::Account(account) if account.seen.state != State::Active)
}

fn ledger_deletions(ledger: &Ledger) -> u64 {
    ledger.missing().get(ACCOUNT).copied().unwrap_or_default()
}
