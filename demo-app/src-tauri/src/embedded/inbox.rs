//! The mails that the embedded server has written into files.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::UNIX_EPOCH;
use std::{fs, io};

use mail_parser::MessageParser;
use regex_lite::Regex;

use crate::mail::{Letter, MailLink};

static LINKS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"https?://[^\s<>]+").ok());

/// The folder of the mails.
#[derive(Clone)]
pub struct Inbox(PathBuf);

impl Inbox {
    pub fn new(folder: PathBuf) -> Self {
        Inbox(folder)
    }

    /// All mails, the newest first.
    pub fn letters(&self) -> io::Result<Vec<Letter>> {
        let mut files = self.files()?;
        // Their names begin with the time.
        files.sort_unstable();
        files.reverse();
        Ok(files.iter().filter_map(|file| letter(file)).collect())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.files().map_or(0, |files| files.len())
    }

    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let paths = entries.flatten().map(|entry| entry.path());
        Ok(paths.filter(|path| path.extension().is_some_and(|end| end == "eml")).collect())
    }
}

/// `None` for a file that is not a mail, or was deleted meanwhile.
fn letter(file: &Path) -> Option<Letter> {
    let content = fs::read(file).ok()?;
    let message = MessageParser::default().parse(&content)?;
    let to = message.to()?.first()?.address()?.to_owned();
    let text = message.body_text(0)?.into_owned();
    let received_at = fs::metadata(file).and_then(|about| about.modified()).ok()?;
    let received_at = received_at.duration_since(UNIX_EPOCH).ok()?;
    Some(Letter {
        id: file.file_stem()?.to_string_lossy().into_owned(),
        to,
        subject: message.subject().unwrap_or_default().to_owned(),
        links: links_in(&text),
        text,
        received_at: i64::try_from(received_at.as_millis()).unwrap_or(i64::MAX),
    })
}

fn links_in(text: &str) -> Vec<MailLink> {
    let Some(links) = &*LINKS else { return Vec::new() };
    let found = links.find_iter(text).map(|found| found.as_str());
    found.map(|url| MailLink { url: url.to_owned(), kind: kind_of(url) }).collect()
}

/// By the paths of the server's own pages.
fn kind_of(url: &str) -> &'static str {
    let kinds = [
        ("/activate", "activation"),
        ("/reset-email/", "email_reset"),
        ("/confirm-email/", "email_confirm"),
        ("/return-email/", "email_return"),
        ("reset", "reset"),
    ];
    let found = kinds.into_iter().find(|(part, _)| url.contains(part));
    found.map_or("other", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_a_mail_are_found_with_their_kinds() {
        let base = "http://127.0.0.1:8000";
        let token = "cd1b2f-0123456789abcdef0123456789abcdef";
        for (path, kind) in [
            ("/auth/activate/MQ/", "activation"),
            ("/auth/reset/MQ/", "reset"),
            ("/auth/reset-email/MQ/", "email_reset"),
            ("/auth/confirm-email/MQ/", "email_confirm"),
            ("/auth/return-email/MQ/", "email_return"),
            ("/help/", "other"),
        ] {
            let url = format!("{base}{path}{token}");
            let text = format!("Hello,\n\n{url}\n\nGoodbye.\n");
            assert_eq!(links_in(&text), [MailLink { url, kind }]);
        }
    }
}
