//! Mails as files in a folder, for a server that is being tried out: nothing is sent.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::compose::ComposedMail;
use super::{MailError, SendError, SendErrorKind};
use crate::owner_only;

pub(super) struct Folder {
    path: PathBuf,
    /// Whether the server runs at a terminal, where the links are useful.
    on_terminal: bool,
}

impl Folder {
    pub fn open(path: PathBuf, on_terminal: bool) -> Result<Self, MailError> {
        match owner_only::create_folder(&path) {
            Ok(()) => Ok(Folder { path, on_terminal }),
            Err(error) => Err(MailError::Folder { path, error }),
        }
    }

    pub async fn keep(&self, mail: ComposedMail) -> Result<(), SendError> {
        let path = self.path.join(format!("{}-{}.eml", stamp(mail.date), mail.id));
        let writing =
            tokio::task::spawn_blocking(move || write(&path, &as_file(&mail)).map(|()| mail));
        let failed = |error: io::Error| {
            let problem = format!("{}: {error}", self.path.display());
            SendError::new(SendErrorKind::Unreachable, problem)
        };
        let mail = writing.await.map_err(io::Error::other).flatten().map_err(failed)?;
        if self.on_terminal {
            show(&mail);
        }
        Ok(())
    }

    pub fn describe(&self) -> String {
        format!("files in {}", self.path.display())
    }
}

/// With local line ends, so that a link can be copied from its line.
fn as_file(mail: &ComposedMail) -> Vec<u8> {
    String::from_utf8_lossy(&mail.content).replace("\r\n", "\n").into_bytes()
}

/// Writes a temporary file and renames it, so that no half-written mail can be read.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    owner_only::options().create(true).truncate(true).open(&new)?.write_all(content)?;
    fs::rename(&new, path)
}

/// Prints the link for an operator who tries the server out. Only to the terminal: a log would keep
/// it.
fn show(mail: &ComposedMail) {
    let (Some(link), [to]) = (&mail.link, mail.envelope.to()) else { return };
    if let Err(error) = writeln!(io::stdout().lock(), "mail to {to}: {link}") {
        tracing::warn!(%error, "a mail was written, but its link could not be shown");
    }
}

/// `20261106T084937Z`, so that file names sort by time.
fn stamp(date: SystemTime) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // `Sun, 06 Nov 1994 08:49:37 GMT`, always of this shape.
    let date = httpdate::fmt_http_date(date);
    let (day, month, year, time) = (&date[5..7], &date[8..11], &date[12..16], &date[17..25]);
    let month = MONTHS.iter().position(|name| *name == month).map_or(0, |index| index + 1);
    format!("{year}{month:02}{day}T{}Z", time.replace(':', ""))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config;
    use crate::language::Language;
    use crate::mail::{Mail, Mailer, Message};

    #[test]
    fn file_name_is_the_time() {
        let at = |seconds| stamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(784_111_777), "19941106T084937Z");
        assert_eq!(at(1_798_761_599), "20261231T235959Z");
    }

    #[tokio::test]
    async fn mail_file_is_readable_by_its_owner_only() {
        let data = tempfile::tempdir().expect("a temporary directory");
        let mailer = Mailer::open(
            &config::Mail::default(),
            &config::Product::default(),
            "http://localhost",
            data.path(),
            false,
        )
        .expect("a folder");
        let mail = Mail {
            id: "0f".repeat(16),
            to: "anna@example.com".to_owned(),
            language: Language::En,
            message: Message::Activation { link: "http://localhost/auth/activate/1/t".to_owned() },
        };
        mailer.send(&mail).await.expect("a file is written");
        let folder = data.path().join("mail");
        assert_eq!(mailer.describe(), format!("files in {}", folder.display()));
        let files: Vec<_> = fs::read_dir(&folder).expect("the folder").flatten().collect();
        let [file] = files.as_slice() else { panic!("{files:?}") };
        assert!(file.file_name().to_string_lossy().ends_with(&format!("Z-{}.eml", mail.id)));
        let content = fs::read_to_string(file.path()).expect("the mail");
        assert!(content.contains("\nhttp://localhost/auth/activate/1/t\n"), "{content}");
        assert!(!content.contains('\r'), "{content:?}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
            assert_eq!((mode(&folder), mode(&file.path())), (0o700, 0o600));
        }
    }

    #[tokio::test]
    async fn unwritable_folder_is_reported() {
        let data = tempfile::tempdir().expect("a temporary directory");
        fs::write(data.path().join("mail"), "").expect("a file in its place");
        let opened = Mailer::open(
            &config::Mail::default(),
            &config::Product::default(),
            "http://localhost",
            data.path(),
            false,
        );
        assert!(matches!(opened, Err(MailError::Folder { .. })));
    }
}
