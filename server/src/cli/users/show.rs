//! `propusk user show`: everything that helps to answer a question about one account.

use serde_json::{Map, Value, json};

use super::list::to_json as account_to_json;
use super::{sessions, state};
use crate::auth::{
    Account, Auth, Identity, LimitedThing, ListedEvent, Overview, QueuedMail, StoredLimit,
};
use crate::cli::Outcome;
use crate::cli::events;
use crate::cli::mails;
use crate::cli::output::{date, is_json, plain, say, say_json};

pub async fn show(auth: &Auth, account: Account) -> Outcome {
    let attributes = auth.attributes(account.id).await?;
    let overview = auth.overview(account).await?;
    if is_json() {
        let mut shown = to_json(&overview);
        shown["attributes"] = attributes.into();
        return say_json(&shown);
    }
    show_account(&overview.account)?;
    show_attributes(&attributes)?;
    show_addresses(&overview)?;
    show_identities(&overview.identities)?;
    section("last sign-ins", overview.sign_ins.iter().map(events::line_without_account))?;
    section("live sessions", overview.sessions.iter().map(sessions::line_of))?;
    match &overview.limits {
        Some(limits) => section("stored limits", limits.iter().map(line_of_limit))?,
        None => say("\nstored limits: the server's secret is needed to find them")?,
    }
    section("mails under way", overview.mails.iter().map(mails::line_of))?;
    section("mails sent", overview.sent.iter().map(events::line_without_account))?;
    section("refused attempts", overview.refused.iter().map(events::line_without_account))?;
    section("last events", overview.events.iter().map(events::line_without_account))
}

/// A heading and its lines; a section without lines says so.
fn section(title: &str, lines: impl Iterator<Item = String>) -> Outcome {
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return say(&format!("\n{title}: none"));
    }
    say(&format!("\n{title}:"))?;
    lines.iter().try_for_each(|line| say(&format!("  {line}")))
}

fn show_account(account: &Account) -> Outcome {
    say(&format!("id            {}", account.id))?;
    say(&format!("state         {}", state(account)))?;
    say(&format!("superuser     {}", account.is_superuser))?;
    if account.imported {
        let joined = account.joined_at.map_or_else(|| "unknown".to_owned(), date);
        say(&format!("imported      with this number; created there: {joined}"))?;
    }
    for (kind, value) in [
        ("foreign id", &account.foreign_id),
        ("username", &account.username),
        ("e-mail", &account.email),
        ("phone", &account.phone),
        ("display name", &account.display_name),
    ] {
        if let Some(value) = value {
            say(&format!("{kind:<12}  {}", plain(value)))?;
        }
    }
    say(&format!("created       {}", date(account.created_at)))?;
    let last = account.last_sign_in_at.map_or_else(|| "never".to_owned(), date);
    say(&format!("last sign-in  {last}"))?;
    say(&format!("password      {}", password_of(account)))
}

fn show_attributes(attributes: &Map<String, Value>) -> Outcome {
    attributes.iter().try_for_each(|(name, value)| {
        say(&format!("attribute     {} = {}", plain(name), plain(&value.to_string())))
    })
}

fn password_of(account: &Account) -> &'static str {
    match account {
        Account { password_voided: true, .. } => "removed until a mailed link sets a new one",
        Account { has_password: false, .. } => "none",
        Account { password_proved: true, .. } => "yes, set by a mailed link",
        _ => "yes",
    }
}

/// The addresses of the account: which are proved, and which wait or can come back.
fn show_addresses(overview: &Overview) -> Outcome {
    for one in overview.identifiers.iter().filter(|one| one.kind == "email") {
        let proof = match one.verified_at {
            Some(at) => format!("proved on {}", date(at)),
            None => "not proved".to_owned(),
        };
        let left = one.left_at.map(|at| format!(", given up on {}", date(at)));
        let (shown, left) = (plain(&one.shown), left.unwrap_or_default());
        say(&format!("address       {shown}: {proof}{left}"))?;
    }
    match (&overview.account.pending_email, overview.account.pending_email_until) {
        (Some(pending), Some(until)) => {
            let (pending, until) = (plain(pending), date(until));
            say(&format!("address       {pending}: waits for its confirmation until {until}"))
        }
        _ => Ok(()),
    }
}

fn show_identities(identities: &[Identity]) -> Outcome {
    for identity in identities {
        let email = identity.email.as_deref().unwrap_or("no e-mail");
        let proof = if identity.email_verified { " (verified)" } else { "" };
        let (provider, subject) = (plain(&identity.provider), plain(&identity.subject));
        say(&format!("signs in by   {provider} {subject}, {}{proof}", plain(email)))?;
    }
    Ok(())
}

fn line_of_limit(limit: &StoredLimit) -> String {
    let state = if limit.is_full() { "full" } else { "open" };
    let (count, allowed, until) = (limit.count, limit.allowed, date(limit.ends_at));
    format!("{state}  {count} of {allowed} until {until}  {}", name_of(&limit.what))
}

fn name_of(what: &LimitedThing) -> String {
    let networks = |from_everywhere: bool| match from_everywhere {
        true => "from all unknown networks",
        false => "from one network",
    };
    match what {
        LimitedThing::SignIns { name, from_everywhere } => {
            let (name, networks) = (plain(name), networks(*from_everywhere));
            format!("failed sign-ins as {name} {networks}")
        }
        LimitedThing::CurrentPassword { from_everywhere } => {
            format!("wrong current passwords {}", networks(*from_everywhere))
        }
        LimitedThing::Mails { kind, address } => format!("{kind} mails to {}", plain(address)),
        LimitedThing::Notices { address } => format!("notices mailed to {}", plain(address)),
    }
}

fn to_json(overview: &Overview) -> Value {
    let events = |events: &[ListedEvent]| events.iter().map(events::to_json).collect::<Vec<_>>();
    let mut shown = account_to_json(&overview.account);
    shown["password"] = password_of(&overview.account).into();
    shown["pending_email"] = json!(overview.account.pending_email);
    let identifiers = overview.identifiers.iter().map(|one| {
        json!({
            "kind": one.kind,
            "value": one.shown,
            "created_at": one.created_at,
            "verified_at": one.verified_at,
            "left_at": one.left_at,
        })
    });
    shown["identifiers"] = identifiers.collect();
    let identities = overview.identities.iter().map(|one| {
        json!({
            "provider": one.provider,
            "subject": one.subject,
            "email": one.email,
            "email_verified": one.email_verified,
            "created_at": one.created_at,
            "last_used_at": one.last_used_at,
        })
    });
    shown["identities"] = identities.collect();
    shown["sign_ins"] = events(&overview.sign_ins).into();
    shown["sessions"] = overview.sessions.iter().map(sessions::to_json).collect();
    let limits = |limits: &Vec<StoredLimit>| limits.iter().map(limit_to_json).collect::<Vec<_>>();
    shown["limits"] = json!(overview.limits.as_ref().map(limits));
    shown["mails"] = overview.mails.iter().map(|mail: &QueuedMail| mails::to_json(mail)).collect();
    shown["sent"] = events(&overview.sent).into();
    shown["refused"] = events(&overview.refused).into();
    shown["events"] = events(&overview.events).into();
    shown
}

fn limit_to_json(limit: &StoredLimit) -> Value {
    json!({
        "what": name_of(&limit.what),
        "count": limit.count,
        "allowed": limit.allowed,
        "full": limit.is_full(),
        "until": limit.ends_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_mails_are_named_for_readers() {
        let address = "anna@example.com".to_owned();
        let notices = LimitedThing::Notices { address: address.clone() };
        assert_eq!(name_of(&notices), "notices mailed to anna@example.com");
        let mails = LimitedThing::Mails { kind: "password_reset", address };
        assert_eq!(name_of(&mails), "password_reset mails to anna@example.com");
    }
}
