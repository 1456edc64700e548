//! `propusk adopt`: the accounts of another system. So far it says what an import file brings.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::Outcome;
use super::output::{date, is_json, plain, say, say_json};
use crate::auth::{ParkedName, Report, report_of};
use crate::owner_only;

/// How many ids a line shows; the report in a file has all.
const SHOWN: usize = 20;

#[derive(Args)]
pub struct AdoptInput {
    /// The import file.
    file: PathBuf,
    /// Say what the file brings, and store nothing.
    #[arg(long)]
    check: bool,
    /// Write the report to this new file too, as JSON, with all ids.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub fn work(input: &AdoptInput) -> Outcome {
    if !input.check {
        return Err("this version does not store import files: add --check".into());
    }
    let report = read(&input.file)?;
    if let Some(path) = &input.report {
        write(path, &report)?;
    }
    match is_json() {
        true => say_json(&serde_json::to_value(&report)?),
        false => lines(&report).iter().try_for_each(|line| say(line)),
    }
}

fn read(path: &Path) -> Outcome<Report> {
    let file = File::open(path);
    let file = file.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let report = report_of(BufReader::new(file));
    Ok(report.map_err(|error| format!("{}: {error}", path.display()))?)
}

fn write(path: &Path, report: &Report) -> Outcome {
    let unwritten =
        |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
    let mut file = owner_only::options().create_new(true).open(path).map_err(unwritten)?;
    let text = serde_json::to_string_pretty(report)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritten)?;
    Ok(())
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
        counted(accounts.named_by_address, "accounts: whose username is their address"),
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
