//! `propusk adopt --reverse FILE`: writes what has changed here as SQL for the Django's database.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::Outcome;
use super::database::open;
use super::output::{done, is_json, plain, say, say_json};
use crate::auth::Reversal;
use crate::config::Config;
use crate::import_file::DjangoUsers;
use crate::owner_only;

/// Writes the statements to this new file. `engine` and `users` replace what the adopted file says
/// of the Django.
pub async fn reverse(
    config: &Config,
    path: &Path,
    engine: Option<&str>,
    users: Option<&Path>,
) -> Outcome<Reversal> {
    let users = users.map(described).transpose()?;
    let auth = open(config).await?;
    let file = owner_only::options().create_new(true).open(path);
    let file = file.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    let mut out = BufWriter::new(file);
    let first_id = config.accounts.first_id;
    let written = auth.reverse_adoption(users, engine, first_id, &mut out).await;
    let written = written.map_err(|error| format!("{}: {error}", path.display()));
    let written = written.and_then(|reversal| match stored(out) {
        Ok(()) => Ok(reversal),
        Err(error) => Err(format!("{} cannot be written: {error}", path.display())),
    });
    if written.is_err() {
        // Half of the statements could be taken for all of them.
        std::fs::remove_file(path)?;
    }
    Ok(written?)
}

pub fn report(reversal: &Reversal, path: &Path) -> Outcome {
    if is_json() {
        return say_json(&serde_json::to_value(reversal)?);
    }
    lines(reversal).iter().try_for_each(|line| say(line))?;
    done(&format!("written to {}: run it on the Django's database yourself", path.display()))
}

fn stored(mut out: BufWriter<File>) -> std::io::Result<()> {
    out.flush()?;
    out.get_ref().sync_all()
}

fn described(path: &Path) -> Outcome<DjangoUsers> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let users = serde_json::from_str(&text);
    Ok(users.map_err(|error| format!("{}: {error}", path.display()))?)
}

/// The report for people: one fact a line, in a fixed order.
fn lines(reversal: &Reversal) -> Vec<String> {
    let table = plain(&reversal.table);
    let written = [
        (reversal.new_accounts, "new accounts"),
        (reversal.passwords, "new passwords"),
        (reversal.passwords_removed, "passwords removed"),
        (reversal.passwords_unreadable, "passwords in a form that no Django reads, to be reset"),
        (reversal.names, "changed names and addresses"),
        (reversal.names_too_long, "names and addresses longer than their columns, left out"),
        (reversal.display_names, "changed display names"),
        (reversal.enabled, "accounts enabled"),
        (reversal.disabled, "accounts disabled"),
        (reversal.deleted, "accounts deleted here, disabled there"),
        (reversal.sign_ins, "later sign-ins"),
        (reversal.keys_ended, "API tokens ended"),
    ];
    let mut lines = vec![format!("for the table {table}")];
    lines.extend(written.map(|(count, what)| format!("{count:>9}  {what}")));
    if !reversal.unfilled.is_empty() {
        let columns: Vec<_> = reversal.unfilled.iter().map(|column| plain(column)).collect();
        lines.push(format!(
            "{:>9}  new accounts without a row: only the Django can fill {}",
            reversal.new_accounts_without_row,
            columns.join(", ")
        ));
    }
    let left = [
        (reversal.keys_issued_here, "API tokens issued here: unknown there, sign in again"),
        (reversal.pairs_issued_here, "OAuth pairs issued here: unknown there, sign in again"),
        (reversal.pairs_ended_here, "OAuth pairs spent or ended here: still good there"),
        (reversal.spent_tokens, "signed refresh tokens spent or ended: there, those that it knows"),
    ];
    lines.extend(left.map(|(count, what)| format!("{count:>9}  not written: {what}")));
    lines
}
