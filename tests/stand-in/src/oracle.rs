//! Tokens that say what is to be answered, as in the recordings: `ok-NAME`, `nomail-NAME`,
//! `http-CODE`, `garbage-x`.

use crate::User;
use crate::answer::Answer;
use crate::behaviour;
use crate::desk::{Desk, Grant};

/// What an access token leads to.
pub(crate) enum Holder {
    Grant(Box<Grant>),
    Nobody,
    /// Whatever was asked, this is the answer.
    Answer(Answer),
}

pub(crate) fn holder(desk: &Desk, token: &str, whole_scope: &str) -> Holder {
    if let Some(grant) = desk.access(token) {
        return Holder::Grant(Box::new(grant.clone()));
    }
    let Some(client_id) = &desk.oracle else { return Holder::Nobody };
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
