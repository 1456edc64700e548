//! Received mails, parsed, with their links.

use std::time::Duration;

use mail_parser::MessageParser;
use regex_lite::Regex;
use tokio::time::timeout;

use crate::smtp::{Received, SmtpServer};

/// How long a mail may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A parsed mail.
#[derive(Clone, Debug)]
pub struct Letter {
    pub from: String,
    /// From the header, not from the envelope.
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub message_id: String,
}

impl Letter {
    pub fn read(content: &[u8]) -> Self {
        let mail = MessageParser::new().parse(content).expect("a mail");
        // From the raw header: the parser knows no addresses such as a@[127.0.0.1].
        let address = |name: &'static str| {
            let written = mail.header_raw(name).unwrap_or_else(|| panic!("no {name}")).trim();
            assert_eq!(written.matches('@').count(), 1, "{name}: {written}");
            let named = written.strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
            named.map_or(written, |(_, address)| address).to_owned()
        };
        Letter {
            from: address("From"),
            to: address("To"),
            subject: mail.subject().expect("a subject").to_owned(),
            text: mail.body_text(0).expect("a text").replace("\r\n", "\n"),
            html: mail.body_html(0).expect("HTML").into_owned(),
            message_id: mail.message_id().expect("a Message-ID").to_owned(),
        }
    }

    /// The first line that is a link.
    pub fn link(&self) -> &str {
        let is_link = |line: &&str| line.contains("://") && !line.contains(char::is_whitespace);
        let link = self.text.lines().find(is_link);
        link.unwrap_or_else(|| panic!("no link in: {}", self.text))
    }
}

impl Received {
    pub fn letter(&self) -> Letter {
        Letter::read(&self.content)
    }
}

impl SmtpServer {
    /// The mails to this address, in order of arrival.
    pub fn mails_to(&self, recipient: &str) -> Vec<Letter> {
        let to_them = |mail: &Received| mail.to.iter().any(|to| to == recipient);
        self.mails().iter().filter(|mail| to_them(mail)).map(Received::letter).collect()
    }

    pub fn newest_to(&self, recipient: &str) -> Option<Letter> {
        self.mails_to(recipient).pop()
    }

    /// Waits for `count` mails to this address, and returns them.
    pub async fn wait_for(&self, recipient: &str, count: usize) -> Vec<Letter> {
        let mut taken = self.taken();
        let arrival = taken.wait_for(|_| self.mails_to(recipient).len() >= count);
        if timeout(PATIENCE, arrival).await.is_err() {
            let all: Vec<_> = self.mails().into_iter().map(|mail| mail.to).collect();
            panic!("{count} mails to {recipient} in {PATIENCE:?}: there are {all:?}");
        }
        self.mails_to(recipient)
    }
}

/// What the first group of the pattern matches.
pub fn capture(pattern: &str, text: &str) -> Option<String> {
    let regex = Regex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    Some(regex.captures(text)?.get(1)?.as_str().to_owned())
}
