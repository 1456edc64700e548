//! The commands of `propusk user` that change an account.

use serde_json::{Map, Value};

use super::identifiers;
use crate::auth::{Account, Auth, MailedReset};
use crate::cli::Outcome;
use crate::cli::input::{PasswordInput, confirm};
use crate::cli::output::{done, plain, say_when_heard};
use crate::cli::sessions::sessions_ended;
use crate::identifier::Phone;

pub async fn set_active(auth: &Auth, id: i64, is_active: bool) -> Outcome {
    auth.set_active(id, is_active).await?;
    say_when_heard(if is_active { "enabled" } else { "disabled" }).await
}

pub async fn unlock(auth: &Auth, id: i64) -> Outcome {
    let line = match auth.unlock(id).await? {
        0 => "no limit was stored".to_owned(),
        1 => "1 limit deleted".to_owned(),
        count => format!("{count} limits deleted"),
    };
    say_when_heard(&line).await
}

pub async fn mail_reset(auth: &Auth, id: i64, api: &str) -> Outcome {
    match auth.mail_reset(id, api).await? {
        MailedReset::Queued(address) => done(&format!("a mail is queued for {}", plain(&address))),
        MailedReset::UnknownApi(served) => {
            let served = served.join(", ");
            Err(format!("--api: {api:?} is not a dialect that is served ({served})").into())
        }
        MailedReset::Inactive => {
            Err("the account is disabled, or waits for its activation: see user enable".into())
        }
        MailedReset::NoMailbox => Err("the account has no e-mail address".into()),
    }
}

pub async fn set_password(auth: &Auth, id: i64, password: PasswordInput) -> Outcome {
    auth.set_password(id, password.read()?).await?;
    say_when_heard("the password is set and all sessions are ended").await
}

pub async fn set_attributes(auth: &Auth, id: i64, attributes: Map<String, Value>) -> Outcome {
    match auth.set_attributes(id, attributes).await? {
        true => done("the attributes are set; tokens have them from the next sign-in on"),
        false => Err("there is no such account".into()),
    }
}

/// What a token and a path of an answer can have in them.
const LONGEST_FOREIGN_ID: usize = 255;

pub async fn set_foreign_id(auth: &Auth, id: i64, foreign_id: String) -> Outcome {
    let is_sound = (1..=LONGEST_FOREIGN_ID).contains(&foreign_id.len())
        && !foreign_id.contains(|c: char| c.is_control() || c.is_whitespace());
    if !is_sound {
        let problem = format!("must have 1 to {LONGEST_FOREIGN_ID} bytes without white space");
        return Err(format!("a foreign id {problem}").into());
    }
    match auth.set_foreign_id(id, foreign_id).await? {
        true => done("the foreign id is set"),
        false => Err("the account has another foreign id, which cannot be changed, or another \
                      account has this one"
            .into()),
    }
}

pub async fn sign_out(auth: &Auth, id: i64) -> Outcome {
    let ended = auth.end_all_sessions_of_account(id).await?;
    say_when_heard(&sessions_ended(ended)).await
}

pub async fn release_phone(auth: &Auth, phone: &str) -> Outcome {
    let phone = Phone::parse(phone).ok_or("not a phone number such as +491701234567")?;
    match auth.release_phone(phone).await? {
        true => done("released"),
        false => Err("no account has this phone number".into()),
    }
}

pub async fn delete(auth: &Auth, account: &Account, yes: bool) -> Outcome {
    let names = identifiers(account).join(", ");
    confirm(yes, &format!("Delete account {} ({names}) permanently? [y/N] ", account.id))?;
    auth.delete_account(account.id).await?;
    say_when_heard("deleted").await
}
