//! `propusk user sessions` and `end-session`: the live sessions of one account.

use serde_json::{Value, json};

use crate::auth::{Auth, ListedSession};
use crate::cli::Outcome;
use crate::cli::output::{date, is_json, plain, say, say_json, say_when_heard};

pub async fn list(auth: &Auth, id: i64) -> Outcome {
    let sessions = auth.sessions_of_account(id).await?;
    if sessions.is_empty() {
        eprintln!("no sessions");
    }
    for session in &sessions {
        match is_json() {
            true => say_json(&to_json(session))?,
            false => say(&line_of(session))?,
        }
    }
    Ok(())
}

pub async fn end(auth: &Auth, id: i64, session: &str) -> Outcome {
    match auth.end_session_of_account(id, session).await? {
        true => say_when_heard("the session is ended").await,
        false => Err("the account has no such session".into()),
    }
}

pub fn line_of(session: &ListedSession) -> String {
    let (opened, used) = (date(session.created_at), date(session.last_used_at));
    let device = session.device_name.as_deref().map(|name| format!("  {}", plain(name)));
    let client = session.client.as_deref().map(|id| format!("  client {}", plain(id)));
    format!(
        "{}  {:<18}  opened {opened}  last used {used}{}{}",
        session.id,
        session.api,
        client.unwrap_or_default(),
        device.unwrap_or_default(),
    )
}

pub fn to_json(session: &ListedSession) -> Value {
    json!({
        "id": session.id,
        "api": session.api,
        "client": session.client,
        "device_name": session.device_name,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "expires_at": session.expires_at,
    })
}
