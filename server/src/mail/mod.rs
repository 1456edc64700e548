//! Composing and sending mail: [`Mailer`] turns a [`Mail`] into a message in the recipient's
//! language and sends it by SMTP, or writes it to a file if no server is configured.

mod compose;
mod files;
mod smtp;
mod smtp_url;
mod texts;

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::compose::{Composer, Names};
use self::files::Folder;
use self::smtp::Relay;
use self::smtp_url::Server;
use crate::config;
use crate::language::Language;

/// A mail to send. No `Debug`: its link grants access.
pub struct Mail {
    /// 32 hex digits. A repeated attempt has the same id, so that duplicates can be recognised.
    pub id: String,
    /// The stored address, never one from a request.
    pub to: String,
    pub language: Language,
    pub message: Message,
}

/// The content of a mail.
pub enum Message {
    Activation {
        link: String,
    },
    PasswordReset {
        link: String,
        username: String,
    },
    EmailReset {
        link: String,
        username: String,
    },
    /// To a new address, which the link confirms.
    EmailConfirm {
        link: String,
    },
    /// To the old address, which the link restores.
    EmailReturn {
        link: String,
    },
    /// To the address that the account had before.
    EmailChanged,
    /// The password has changed.
    PasswordChanged,
    /// An operator has set the password.
    PasswordSetByOperator,
    /// The phone number has changed.
    PhoneChanged,
    /// The account was deleted.
    AccountDeleted,
    /// A registration was attempted with the address of an account.
    AddressInUse,
    /// A refresh token was reused, so its session has ended.
    SessionEnded {
        device: Option<String>,
    },
    /// A sign-in from a network that is new for the account.
    NewNetwork {
        device: Option<String>,
    },
    /// A provider's identity was linked to the account.
    IdentityLinked {
        provider: String,
    },
    /// An identity was unlinked.
    IdentityUnlinked {
        provider: String,
    },
    /// Everything that is kept of the account was given to someone who is signed in to it.
    DataExported,
}

/// Why the mail settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Without the URL, which may contain a password.
    #[error("mail.smtp_url: {0}")]
    Url(&'static str),
    #[error("mail.ca_file: {}: {problem}", path.display())]
    CaFile { path: PathBuf, problem: String },
    #[error("mail.from: {0}")]
    From(&'static str),
    #[error("mail.reply_to: {0}")]
    ReplyTo(&'static str),
    #[error("public_url: it names no host")]
    PublicUrl,
    #[error("TLS: {0}")]
    Tls(String),
    #[error("the folder for mails, {}: {error}", path.display())]
    Folder { path: PathBuf, error: std::io::Error },
}

/// Why a mail was not sent.
#[derive(Debug)]
pub struct SendError {
    pub kind: SendErrorKind,
    /// One line for the log, without credentials, addresses, tokens and content.
    pub problem: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendErrorKind {
    /// The server cannot be reached, or refuses all our mails.
    Unreachable,
    /// The server asks to retry this mail later.
    Deferred,
    /// The server refuses this mail permanently.
    Refused,
}

impl SendError {
    fn new(kind: SendErrorKind, problem: impl Into<String>) -> Self {
        SendError { kind, problem: problem.into() }
    }
}

/// Sends mails. Each uses its own connection: they are few, and a failed one leaves no state.
pub struct Mailer {
    composer: Composer,
    exit: Exit,
}

enum Exit {
    Smtp(Box<Relay>),
    Files(Folder),
}

impl Mailer {
    /// Sends mails to the SMTP server; without one, writes them to the folder `mail` of `data_dir`
    /// and shows their links on the terminal if there is one.
    pub fn open(
        config: &config::Mail,
        product: &config::Product,
        public_url: &str,
        data_dir: &Path,
        on_terminal: bool,
    ) -> Result<Self, MailError> {
        let (composer, server) = read(config, product, public_url)?;
        let exit = match server {
            Some(server) => {
                let reply_timeout = Duration::from_secs(config.timeout_seconds);
                Exit::Smtp(Box::new(Relay::new(server, reply_timeout)))
            }
            None => Exit::Files(Folder::open(data_dir.join("mail"), on_terminal)?),
        };
        Ok(Mailer { composer, exit })
    }

    /// Checks the settings and opens nothing.
    pub fn check(
        config: &config::Mail,
        product: &config::Product,
        public_url: &str,
    ) -> Result<(), MailError> {
        read(config, product, public_url).map(drop)
    }

    /// Sends a mail. An error means that the server has not confirmed that it accepted the mail.
    pub async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        let letter = self.composer.compose(mail)?;
        match &self.exit {
            Exit::Smtp(relay) => relay.send(&letter).await,
            Exit::Files(folder) => folder.keep(letter).await,
        }
    }

    /// The destination of mails, without credentials.
    pub fn describe(&self) -> String {
        match &self.exit {
            Exit::Smtp(relay) => relay.describe(),
            Exit::Files(folder) => folder.describe(),
        }
    }
}

/// The composer, and the mail server if there is one.
fn read(
    config: &config::Mail,
    product: &config::Product,
    public_url: &str,
) -> Result<(Composer, Option<Server>), MailError> {
    let for_people = config.smtp_url.is_none();
    let names = Names {
        from: config.from.as_deref(),
        reply_to: config.reply_to.as_deref(),
        product: product.name.as_deref(),
        support: product.support.as_deref(),
    };
    let composer = Composer::new(names, public_url, for_people)?;
    let own_name = composer.host_name();
    let read =
        |url: &config::Secret| Server::read(url.expose(), config.ca_file.as_deref(), own_name);
    let server = config.smtp_url.as_ref().map(read).transpose()?;
    Ok((composer, server))
}
