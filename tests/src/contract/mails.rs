//! Rows about mails: the recipient and the link are compared, all other words are free. Also
//! one-time tokens of a given age, which are read from a mail.

use regex_lite::Regex;
use serde_json::json;

use super::compare::Difference;
use super::rows::{ExpectedMail, Row};
use super::{Backdoor, Replay, repairs};
use crate::links::Link;
use crate::mailbox::capture;
use crate::smtp::Received;

/// Placeholders in the link of a recorded text, and the values that each may have.
const PLACEHOLDERS: [(&str, &str); 2] =
    [("<uid>", r"([\w-]+)"), ("<django_token>", "([0-9a-z]{6}-[0-9a-f]{32})")];

impl<B: Backdoor> Replay<'_, B> {
    pub(super) async fn mail(&mut self, row: &Row, expected: &ExpectedMail) {
        let newest = self.newest_to(&expected.to).await;
        let Some(mail) = newest else {
            if !expected.none {
                self.report(row, "no mail to", expected.to.clone());
            }
            return;
        };
        if expected.none {
            return self.report(row, "a mail", mail.letter().text);
        }
        self.extend(row, differences(expected, &mail, self.subject.public_url));
        let text = mail.letter().text;
        for (name, pattern) in &expected.capture {
            match capture(pattern, &text) {
                Some(value) => drop(self.captures.insert(name.clone(), value)),
                None => self.report(row, name, text.clone()),
            }
        }
    }

    /// Among the mails that have arrived since the last call.
    async fn newest_to(&mut self, recipient: &str) -> Option<Received> {
        let new = self.subject.backdoor.mails().await.split_off(self.mails);
        self.mails += new.len();
        let to_them = |mail: &Received| mail.to.iter().any(|to| to == recipient);
        new.into_iter().rfind(|mail| to_them(mail) && !is_notice(mail))
    }

    /// Requests a link as it would have been `age` seconds ago.
    pub(super) async fn aged_link(&mut self, who: &str, age: i64) -> Option<Link> {
        let clock = self.subject.backdoor.clock()?;
        let email = self.subject.backdoor.email_of(who).await;
        // No mail may wait for the clock to be set back to now.
        self.newest_to(&email).await;
        clock.advance(-age);
        let path = repairs::link_route(self.seed);
        self.subject.client.post(path, &json!({"email": email})).await;
        let mail = self.newest_to(&email).await;
        clock.advance(age);
        Link::of(&mail?.letter())
    }
}

/// A notice to an owner, which the recording does not have: it has no link, or one that only
/// reverses the change.
fn is_notice(mail: &Received) -> bool {
    let text = mail.letter().text;
    links_in(&text).iter().all(|link| link.contains("/auth/return-email/"))
}

/// All differences of a mail; `public_url` is the start of the server's links.
fn differences(expected: &ExpectedMail, mail: &Received, public_url: &str) -> Vec<Difference> {
    let recipients = [expected.to.clone()];
    let mut found = Vec::new();
    if mail.to != recipients {
        found.push(difference("recipients", &format!("{recipients:?}"), &mail.to));
    }
    let letter = mail.letter();
    if letter.to != expected.to {
        found.push(difference("To", &expected.to, &letter.to));
    }
    let link = recorded_link(&expected.text).replace("http://<host>", public_url);
    let links = links_in(&letter.text);
    if !matches!(links[..], [only] if pattern(&link).is_match(only)) {
        found.push(difference("link", &link, &links));
    }
    found
}

/// From the scheme of the only URL to the end of its line.
fn recorded_link(text: &str) -> &str {
    let start = text.find("http://<host>/").expect("a recorded mail has a link");
    text[start..].lines().next().unwrap_or_default()
}

fn links_in(text: &str) -> Vec<&str> {
    text.split_whitespace().filter(|word| word.contains("://")).collect()
}

fn pattern(link: &str) -> Regex {
    let mut pattern = regex_lite::escape(link);
    for (placeholder, values) in PLACEHOLDERS {
        pattern = pattern.replace(&regex_lite::escape(placeholder), values);
    }
    Regex::new(&format!("^{pattern}$")).expect("a pattern of escaped text")
}

fn difference(part: &str, expected: &str, got: &impl std::fmt::Debug) -> Difference {
    Difference { part: part.to_owned(), expected: expected.to_owned(), got: format!("{got:?}") }
}
