//! Tokens that name their own answer, as in the recordings: `ok-NAME`, `nomail-NAME`, `http-CODE`,
//! `garbage-x`.

use crate::User;
use crate::answer::Answer;
use crate::behaviour;
use crate::records::{Grant, Records};

/// The result of an access token.
pub(crate) enum Holder {
    Grant(Box<Grant>),
    Nobody,
    /// This answer, whatever the request is.
    Answer(Answer),
}

pub(crate) fn holder(records: &Records, token: &str, whole_scope: &str) -> Holder {
    if let Some(grant) = records.access(token) {
        return Holder::Grant(Box::new(grant.clone()));
    }
    let Some(client_id) = &records.oracle else { return Holder::Nobody };
    let (kind, name) = token.split_once('-').unwrap_or((token, ""));
    let live = |user| Holder::Grant(Box::new(Grant::new(client_id, user, whole_scope)));
    match kind {
        "ok" => live(user(name)),
        "nomail" => live(user(name).without_email()),
        "http" => match name.parse() {
            Ok(code @ 200..=599) => Holder::Answer(behaviour::says_no(code)),
            _ => Holder::Nobody,
        },
        "garbage" => Holder::Answer(behaviour::garbage()),
        _ => Holder::Nobody,
    }
}

fn user(name: &str) -> User {
    User::new(name).with_name("Имя", "Фамилия")
}
