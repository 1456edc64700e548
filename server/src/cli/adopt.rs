//! `propusk adopt`: stores the accounts of another system from an import file or from the database
//! of a Django, says what that brings, declares that the accounts are complete, or writes the way
//! back.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::database::{open, open_for_reading};
use super::output::{
    date, done, is_json, plain, say, say_json, say_json_when_heard, say_when_heard,
};
use super::{Outcome, reverse};
use crate::auth::{Adoption, AdoptionPhase, AdoptionRules, ParkedName, Report, report_of};
use crate::clock::Clock;
use crate::config::{Config, MAX_FIRST_ID};
use crate::{donor, owner_only};

/// How many ids a line shows; the report in a file has all.
const SHOWN: usize = 20;
/// After how many lines the progress is shown.
const PROGRESS: u64 = 10_000;

#[derive(Args)]
pub struct AdoptInput {
    /// The import file, or the database of a Django, which is only read: sqlite:///path/to/file or
    /// postgres://user@host/database (the password from PGPASSWORD or a .pgpass file).
    #[arg(required_unless_present_any = ["complete", "reverse"], value_name = "FILE|URL")]
    source: Option<PathBuf>,
    /// Say what the file brings, without a look at the database of Propusk.
    #[arg(long)]
    check: bool,
    /// Say what the file would change, and store nothing.
    #[arg(long, conflicts_with = "check")]
    dry_run: bool,
    /// Delete or disable up to this many accounts that the other system has deleted or disabled,
    /// even if they are more than 1 % of all.
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "check")]
    allow_deletions: u64,
    /// Write the report to this new file too, as JSON, with all ids.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Store the last file: no other one is stored after it.
    #[arg(long = "final", conflicts_with = "check")]
    is_final: bool,
    /// Store the file even after the last one: until the next --complete, what is unknown here is
    /// answered 503 again.
    #[arg(long, conflicts_with = "check")]
    reopen: bool,
    /// Declare that the other system knows nothing that is not known here: from now on, what is
    /// unknown here is refused.
    #[arg(
        long,
        conflicts_with_all = [
            "source", "check", "dry_run", "allow_deletions", "report", "is_final", "reopen",
        ]
    )]
    complete: bool,
    /// Write what has changed here since the adoption to this new file, as SQL for the Django's
    /// database. Nothing runs it.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "source", "check", "dry_run", "allow_deletions", "is_final", "reopen", "complete",
        ]
    )]
    reverse: Option<PathBuf>,
    /// The kind of the Django's database, if the adopted file does not say it.
    #[arg(
        long = "for",
        value_name = "KIND",
        requires = "reverse",
        value_parser = ["sqlite", "postgres", "mysql"]
    )]
    engine: Option<String>,
    /// The table of the Django's users, if the adopted file does not describe it or that has changed:
    /// a JSON file with a description like that in the file's first line.
    #[arg(long, value_name = "FILE", requires = "reverse")]
    users: Option<PathBuf>,
}

pub async fn work(config: &Config, input: &AdoptInput) -> Outcome {
    if let Some(path) = &input.reverse {
        return write_way_back(config, input, path).await;
    }
    match &input.source {
        None if input.complete => complete(config).await,
        None => Err("the import file is missing".into()),
        Some(path) if input.check => check(config, input, path).await,
        Some(path) => adopt(config, input, path).await,
    }
}

async fn complete(config: &Config) -> Outcome {
    let auth = open(config).await?;
    if let Some(api) = auth.registering_at_django() {
        let problem = format!("a Django still makes accounts (apis.{api}.routes): move that first");
        return Err(problem.into());
    }
    match auth.complete_adoption().await? {
        None => Err("nothing was adopted, so that there is nothing to complete".into()),
        Some(AdoptionPhase::Complete) => done("the adoption was complete already"),
        Some(AdoptionPhase::Open) => {
            Err("the last file is not stored as a whole: run `propusk adopt --final FILE` first"
                .into())
        }
        Some(AdoptionPhase::LastStored) => {
            say_when_heard("the adoption is complete: what is unknown here is refused").await
        }
    }
}

async fn write_way_back(config: &Config, input: &AdoptInput, path: &Path) -> Outcome {
    refuse_existing_report(input)?;
    let (engine, users) = (input.engine.as_deref(), input.users.as_deref());
    let reversal = reverse::reverse(config, path, engine, users).await?;
    write(input, &reversal)?;
    reverse::report(&reversal, path)
}

async fn check(config: &Config, input: &AdoptInput, path: &Path) -> Outcome {
    let Source { name, file } = open_source(config, path).await?;
    let report = report_of(file).map_err(|error| format!("{name}: {error}"))?;
    write(input, &report)?;
    match is_json() {
        true => say_json(&serde_json::to_value(&report)?),
        false => lines(&report).iter().try_for_each(|line| say(line)),
    }
}

async fn adopt(config: &Config, input: &AdoptInput, path: &Path) -> Outcome {
    refuse_existing_report(input)?;
    let Source { name, mut file } = open_source(config, path).await?;
    let rules = AdoptionRules {
        is_dry_run: input.dry_run,
        numbers_end: config.accounts.first_id.unwrap_or(MAX_FIRST_ID),
        allow_deletions: input.allow_deletions,
        is_last: input.is_final,
        reopens: input.reopen,
    };
    let auth = match input.dry_run {
        true => open_for_reading(config).await?,
        false => open(config).await?,
    };
    let adopting = auth.adopt(&mut file, &rules, show_progress);
    let adoption = adopting.await;
    let adoption = adoption.map_err(|error| format!("{name}: {error}"))?;
    write(input, &adoption)?;
    if is_json() {
        let value = serde_json::to_value(&adoption)?;
        return match adoption.is_dry_run {
            true => say_json(&value),
            false => say_json_when_heard(&value).await,
        };
    }
    let brought = lines(&adoption.file);
    brought.iter().chain(&changes(&adoption)).try_for_each(|line| say(line))?;
    if adoption.file.tokens.contains_key("refresh_token") && !config.tokens.accept_foreign {
        say("signed tokens of the other system are refused: tokens.accept_foreign is off")?;
    }
    if adoption.is_dry_run {
        return say(&format!("{} changes would be made", adoption.changes()));
    }
    if input.is_final {
        say("this was the last file")?;
    }
    say("until `propusk adopt --complete`, what is unknown here is answered 503")?;
    say_when_heard(&format!("{} changes", adoption.changes())).await
}

fn show_progress(line: u64) {
    if line.is_multiple_of(PROGRESS) {
        eprintln!("{line} lines");
    }
}

/// What is adopted, as an import file.
struct Source {
    name: String,
    file: BufReader<File>,
}

/// Opens the file; a database is read into one first.
async fn open_source(config: &Config, path: &Path) -> Outcome<Source> {
    let Some(url) = path.to_str().filter(|text| donor::is_url(text)) else {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| format!("{name} cannot be read: {error}"))?;
        return Ok(Source { name, file: BufReader::new(file) });
    };
    // A look before the first start creates no data directory.
    let folder = match config.data_dir.is_dir() {
        true => config.data_dir.clone(),
        false => std::env::temp_dir(),
    };
    let now = Clock::system().now();
    let export = donor::export(url, &config.adopt, now, &folder, show_progress).await?;
    for finding in &export.findings {
        eprintln!("{}", plain(finding));
    }
    Ok(Source { name: export.donor, file: BufReader::new(export.file) })
}

/// Better before the long work than after it.
fn refuse_existing_report(input: &AdoptInput) -> Outcome {
    match input.report.as_deref().filter(|path| path.exists()) {
        Some(path) => Err(format!("{} cannot be written: it exists", path.display()).into()),
        None => Ok(()),
    }
}

/// Writes the report, if a file is given.
fn write(input: &AdoptInput, report: &impl Serialize) -> Outcome {
    let Some(path) = &input.report else { return Ok(()) };
    let unwritten =
        |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
    let mut file = owner_only::options().create_new(true).open(path).map_err(unwritten)?;
    let text = serde_json::to_string_pretty(report)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritten)?;
    Ok(())
}

/// What has changed, or would change.
fn changes(adoption: &Adoption) -> Vec<String> {
    let counts = [
        ("new", &adoption.new),
        ("changed", &adoption.changed),
        ("ended", &adoption.ended),
        ("not stored by this version", &adoption.not_stored),
    ];
    let counts = counts.into_iter().flat_map(|(what, kinds)| {
        kinds.iter().map(move |(kind, count)| counted(*count, &format!("{what}: {kind}")))
    });
    let accounts = [
        ("refused", &adoption.refused),
        ("not changed, because it has changed here or is taken", &adoption.conflicts),
    ];
    let accounts = accounts.into_iter().flat_map(|(what, reasons)| {
        reasons.iter().map(move |(reason, ids)| {
            let shown = ids.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
            let more = if ids.len() > SHOWN { ", and more" } else { "" };
            format!("{:>9}  {what}: {reason}: {shown}{more}", ids.len())
        })
    });
    counts.chain(accounts).collect()
}

/// The report for people: one fact a line, in a fixed order.
fn lines(report: &Report) -> Vec<String> {
    let source = plain(report.source.as_deref().unwrap_or("(not named)"));
    let mut lines = vec![format!("from {source}, as of {}", date(report.taken_at))];
    lines.extend(report.lines.iter().map(|(kind, count)| counted(*count, kind)));
    let accounts = &report.accounts;
    lines.extend([
        counted(accounts.active, "accounts: active"),
        counted(accounts.inactive, "accounts: inactive"),
        counted(accounts.awaiting_activation, "accounts: waiting for activation"),
        counted(accounts.with_text_ids, "accounts: with ids that are no numbers"),
        counted(accounts.with_all_names, "accounts: with all their names"),
        counted(accounts.without_names, "accounts: that no name finds"),
        named_by_address(report),
        counted(accounts.without_password, "accounts: without a password"),
    ]);
    if let Some(highest) = accounts.highest_number {
        lines.push(format!("{highest:>9}  the highest number of an account"));
    }
    let schemes = report.passwords.iter();
    lines.extend(schemes.map(|(name, count)| counted(*count, &format!("passwords: {name}"))));
    let unsupported = report.unsupported_passwords.iter();
    lines.extend(unsupported.map(|(name, count)| {
        counted(*count, &format!("passwords that cannot be verified, to be reset: {name}"))
    }));
    lines.extend(
        report.tokens.iter().map(|(kind, count)| counted(*count, &format!("tokens: {kind}"))),
    );
    let identities = report.identities.iter();
    lines.extend(
        identities.map(|(name, count)| counted(*count, &format!("identities: {}", plain(name)))),
    );
    lines.extend(report.parked.iter().map(|(reason, names)| parked_line(reason, names)));
    lines
}

/// A username that is the account's own address finds it where an API signs in by addresses.
fn named_by_address(report: &Report) -> String {
    let line =
        counted(report.accounts.named_by_address, "accounts: whose username is their address");
    let ids: Vec<_> = report.named_by_address.iter().take(SHOWN).map(String::as_str).collect();
    match ids.is_empty() {
        true => line,
        false if report.named_by_address.len() > SHOWN => {
            format!("{line}: {}, and more", ids.join(", "))
        }
        false => format!("{line}: {}", ids.join(", ")),
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count:>9}  {what}")
}

fn parked_line(reason: &str, names: &[ParkedName]) -> String {
    let ids = names.iter().take(SHOWN).map(|name| match &name.kept_by {
        Some(keeper) => format!("{} of {} (kept by {})", name.kind, name.account, keeper),
        None => format!("{} of {}", name.kind, name.account),
    });
    let ids: Vec<_> = ids.collect();
    let more = if names.len() > SHOWN { ", and more" } else { "" };
    format!("{:>9}  names parked, {reason}: {}{more}", names.len(), ids.join(", "))
}
