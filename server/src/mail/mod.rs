//! How a mail is written and leaves: [`Mailer`] turns a [`Mail`] into a message in the recipient's
//! language and hands it to the SMTP server of the settings, or to a file where there is none.

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

/// A mail to be sent. No `Debug`: a link signs in whoever holds it.
pub struct Mail {
    /// 32 hex digits. Whoever sends a mail again gives it the same, so that doubles can be told.
    pub id: String,
    /// The stored address, never one that was typed into a request.
    pub to: String,
    pub language: Language,
    pub message: Message,
}

/// What a mail says.
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
    /// To a new address, which proves itself by the link.
    EmailConfirm {
        link: String,
    },
    /// To the old address, which comes back by the link.
    EmailReturn {
        link: String,
    },
    /// Told to the address that the account had before.
    EmailChanged,
    /// The account has another password.
    PasswordChanged,
    /// The account was given a password by an operator.
    PasswordSetByOperator,
    /// The account has another phone.
    PhoneChanged,
    /// The account is gone.
    AccountDeleted,
    /// Somebody tried to register with the address of an account.
    AddressInUse,
    /// A refresh token came a second time, so its session was ended.
    SessionEnded {
        device: Option<String>,
    },
    /// A sign-in from a network where the owner had not signed in before.
    NewNetwork {
        device: Option<String>,
    },
    /// A sign-in with a provider opens the account from now on.
    IdentityLinked {
        provider: String,
    },
    /// One opens it no longer.
    IdentityUnlinked {
        provider: String,
    },
}

/// Why mail cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Without the URL: it may hold a password.
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
    /// One line for the log, without credentials, addresses, tokens and the mail itself.
    pub problem: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendErrorKind {
    /// The server cannot be reached or wants none of our mails, whichever they are.
    Unreachable,
    /// The server asks to come again with this mail.
    Deferred,
    /// The server will never take this mail.
    Refused,
}

impl SendError {
    fn new(kind: SendErrorKind, problem: impl Into<String>) -> Self {
        SendError { kind, problem: problem.into() }
    }
}

/// Sends mails. Each has a connection of its own: they are few, and one that went wrong leaves
/// nothing behind.
pub struct Mailer {
    composer: Composer,
    exit: Exit,
}

enum Exit {
    Smtp(Box<Relay>),
    Files(Folder),
}

impl Mailer {
    /// Takes mails to the SMTP server, else to the folder `mail` of `data_dir`, and then shows their
    /// links on the terminal if there is one.
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

    /// Checks the settings without opening anything.
    pub fn check(
        config: &config::Mail,
        product: &config::Product,
        public_url: &str,
    ) -> Result<(), MailError> {
        read(config, product, public_url).map(drop)
    }

    /// Sends a mail. An error means that the server has not said that it took the mail.
    pub async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        let letter = self.composer.compose(mail)?;
        match &self.exit {
            Exit::Smtp(relay) => relay.send(&letter).await,
            Exit::Files(folder) => folder.keep(letter).await,
        }
    }

    /// Where mails go, without credentials.
    pub fn describe(&self) -> String {
        match &self.exit {
            Exit::Smtp(relay) => relay.describe(),
            Exit::Files(folder) => folder.describe(),
        }
    }
}

/// Who sends, and the mail server if there is one.
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
