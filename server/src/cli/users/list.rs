//! `propusk user list`: accounts in the order of their numbers, page by page.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{identifiers, state};
use crate::auth::{Account, Auth};
use crate::cli::Outcome;
use crate::cli::output::{is_json, name_database, say, say_json};

/// How many accounts are read at once.
const PAGE: i64 = 500;

/// Which accounts are listed.
#[derive(Args)]
pub struct ListFilter {
    /// Only accounts in this state.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only accounts with this text in a name.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Only accounts with numbers above this one: the page after it.
    #[arg(long, value_name = "ID", default_value_t = 0)]
    after: i64,
    /// At most this many accounts.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Active,
    New,
    Disabled,
}

impl ListFilter {
    fn fits(&self, account: &Account) -> bool {
        let names = [&account.username, &account.email, &account.phone, &account.display_name];
        let has = |text: &String| {
            let text = text.to_lowercase();
            names.into_iter().flatten().any(|name| name.to_lowercase().contains(&text))
        };
        let wanted = self.state.map(|wanted| match wanted {
            State::Active => "active",
            State::New => "new",
            State::Disabled => "disabled",
        });
        wanted.is_none_or(|wanted| wanted == state(account)) && self.name.as_ref().is_none_or(has)
    }
}

pub async fn list(auth: &Auth, filter: &ListFilter) -> Outcome {
    name_database();
    let (mut after, mut listed) = (filter.after, 0);
    loop {
        let page = auth.accounts_after(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for account in page.iter().filter(|account| filter.fits(account)) {
            if filter.limit == Some(listed) {
                // On standard error, like the rest that is not part of the list.
                eprintln!("there are more; the next page: --after {}", account.id - 1);
                return Ok(());
            }
            print(account)?;
            listed += 1;
        }
    }
    if listed == 0 {
        eprintln!("no accounts");
    }
    Ok(())
}

fn print(account: &Account) -> Outcome {
    if is_json() {
        return say_json(&to_json(account));
    }
    let names = identifiers(account).join("  ");
    say(&format!("{:>8}  {:<8}  {names}", account.id, state(account)))
}

/// An account as the list and `user show` print it.
pub fn to_json(account: &Account) -> Value {
    json!({
        "id": account.id,
        "foreign_id": account.foreign_id,
        "state": state(account),
        "superuser": account.is_superuser,
        "username": account.username,
        "email": account.email,
        "email_verified": account.email_verified_at.is_some(),
        "phone": account.phone,
        "display_name": account.display_name,
        "has_password": account.has_password,
        "imported": account.imported,
        "joined_at": account.joined_at,
        "created_at": account.created_at,
        "last_sign_in_at": account.last_sign_in_at,
    })
}
