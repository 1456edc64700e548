//! Sends mails to an SMTP server (RFC 5321), step by step, so that each step has a time limit and
//! an error says which side failed.

use std::future::Future;
use std::time::Duration;

use lettre::address::Address;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use tokio::time::timeout;

use super::compose::ComposedMail;
use super::smtp_url::{Account, Server};
use super::{SendError, SendErrorKind};
use crate::tls::explained;

/// For each address of a host, so that the next one can be tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// For the QUIT after a mail; no request waits for it.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum length of a server's reply in the log.
const MAX_WORDS: usize = 500;
/// A run of letters and digits in a link of at least this length may be a token.
const MIN_TOKEN: usize = 16;

/// The connection settings of the mail server.
pub(super) struct Relay {
    server: Server,
    /// The limit for one reply; a whole mail may take half as long again.
    reply_timeout: Duration,
}

/// The step at which the server failed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Connect,
    StartTls,
    SignIn,
    Sender,
    Recipient,
    Content,
}

struct Failure {
    step: Step,
    cause: Cause,
}

enum Cause {
    Smtp(lettre::transport::smtp::Error),
    Timeout,
}

impl Relay {
    pub fn new(server: Server, reply_timeout: Duration) -> Self {
        Relay { server, reply_timeout }
    }

    pub fn describe(&self) -> String {
        self.server.describe()
    }

    pub async fn send(&self, mail: &ComposedMail) -> Result<(), SendError> {
        let whole = self.reply_timeout.mul_f32(1.5);
        match timeout(whole, self.deliver(mail)).await {
            Ok(delivered) => delivered.map_err(|failure| self.explain(&failure, mail)),
            Err(_) => {
                let problem = format!("the mail server did not finish within {whole:?}");
                Err(SendError::new(SendErrorKind::Unreachable, problem))
            }
        }
    }

    async fn deliver(&self, mail: &ComposedMail) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        let delivered = self.hand_over(&mut connection, mail).await;
        // The server has the mail now: a slow QUIT or a broken connection must not count as a
        // failure, or the mail would be sent twice.
        tokio::spawn(async move { timeout(QUIT_TIMEOUT, connection.abort()).await });
        delivered
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let wrapper = match &self.server.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let connecting = AsyncSmtpConnection::connect_tokio1(
            (self.server.host.as_str(), self.server.port),
            Some(CONNECT_TIMEOUT.min(self.reply_timeout)),
            &self.server.own_name,
            wrapper,
            None,
        );
        let mut connection = self.within(Step::Connect, connecting).await?;
        let upgrade = match &self.server.tls {
            Tls::Required(parameters) => Some(parameters),
            Tls::Opportunistic(parameters) => {
                Some(parameters).filter(|_| connection.can_starttls())
            }
            Tls::None | Tls::Wrapper(_) => None,
        };
        if let Some(parameters) = upgrade {
            let upgrading = connection.starttls(parameters.clone(), &self.server.own_name);
            self.within(Step::StartTls, upgrading).await?;
        }
        if let Some(Account { user, password }) = &self.server.account {
            let credentials = Credentials::new(user.clone(), password.clone());
            let signing_in = connection.auth(DEFAULT_MECHANISMS, &credentials);
            self.within(Step::SignIn, signing_in).await?;
        }
        Ok(connection)
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        mail: &ComposedMail,
    ) -> Result<(), Failure> {
        let from = mail.envelope.from().cloned();
        self.within(Step::Sender, connection.command(Mail::new(from, Vec::new()))).await?;
        for to in mail.envelope.to() {
            let rcpt = Rcpt::new(to.clone(), Vec::new());
            self.within(Step::Recipient, connection.command(rcpt)).await?;
        }
        self.within(Step::Content, connection.command(Data)).await?;
        self.within(Step::Content, connection.message(&mail.content)).await?;
        Ok(())
    }

    async fn within<T>(
        &self,
        step: Step,
        asking: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, Failure> {
        match timeout(self.reply_timeout, asking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failure { step, cause: Cause::Smtp(error) }),
            Err(_) => Err(Failure { step, cause: Cause::Timeout }),
        }
    }

    fn explain(&self, Failure { step, cause }: &Failure, mail: &ComposedMail) -> SendError {
        let doing = match step {
            Step::Connect => "connecting",
            Step::StartTls => "STARTTLS",
            Step::SignIn => "signing in",
            Step::Sender => "the sender",
            Step::Recipient => "the recipient",
            Step::Content => "the content",
        };
        let error = match cause {
            Cause::Smtp(error) => error,
            Cause::Timeout => {
                let problem = format!("{doing}: no reply within {:?}", self.reply_timeout);
                return SendError::new(SendErrorKind::Unreachable, problem);
            }
        };
        let words = match error.status() {
            // The reply to a sign-in may repeat the account's name or password.
            Some(code) if *step == Step::SignIn => format!("refused ({code})"),
            Some(code) => format!("{code} {}", source(error)),
            None => explained(error.to_string(), "mail.ca_file"),
        };
        let kind = kind(*step, error.status().map(u16::from), &words);
        SendError::new(kind, format!("{doing}: {}", one_line(&without_secrets(words, mail))))
    }
}

/// Classifies a reply. Until the recipient is sent, a refusal is not about this mail.
fn kind(step: Step, code: Option<u16>, words: &str) -> SendErrorKind {
    match code {
        // Closing down.
        None | Some(421) => SendErrorKind::Unreachable,
        Some(400..=499) if step >= Step::Sender => SendErrorKind::Deferred,
        // Wrong order, no mail accepted, sign-in required: the same for every mail.
        Some(503 | 521 | 530 | 534 | 535 | 538) => SendErrorKind::Unreachable,
        Some(code @ 500..=599) if step >= Step::Recipient => match is_final(code, words) {
            true => SendErrorKind::Refused,
            false => SendErrorKind::Deferred,
        },
        Some(_) => SendErrorKind::Unreachable,
    }
}

/// Whether a refusal is final for this mail, and not about a quota, a policy or a setting that can
/// be fixed: by its enhanced status (RFC 3463: address, disabled mailbox, content), else by its
/// code.
fn is_final(code: u16, words: &str) -> bool {
    let enhanced = words.split_whitespace().find_map(|word| word.strip_prefix("5."));
    match enhanced.and_then(|status| status.split_once('.')) {
        Some((subject, detail)) => {
            matches!(subject, "1" | "6") || (subject == "2" && detail.starts_with('1'))
        }
        None => matches!(code, 501 | 550 | 551 | 553 | 556),
    }
}

fn source(error: &lettre::transport::smtp::Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// The reply without its copies of the recipient and the link's tokens.
fn without_secrets(mut words: String, mail: &ComposedMail) -> String {
    let is_separator = |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_';
    let link = mail.link.iter().flat_map(|link| link.split(is_separator));
    let tokens = link.filter(|run| run.len() >= MIN_TOKEN);
    for secret in mail.envelope.to().iter().map(Address::as_ref).chain(tokens) {
        words = words.replace(secret, "…");
    }
    words
}

fn one_line(words: &str) -> String {
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown =
        |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    words.chars().take(MAX_WORDS).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_is_classified_by_its_cause() {
        use SendErrorKind::{Deferred, Refused, Unreachable};
        let cases = [
            (Step::Connect, None, "", Unreachable),
            (Step::Connect, Some(554), "", Unreachable),
            (Step::Connect, Some(450), "", Unreachable),
            (Step::SignIn, Some(535), "", Unreachable),
            (Step::Sender, Some(451), "", Deferred),
            (Step::Sender, Some(553), "", Unreachable),
            (Step::Recipient, Some(421), "", Unreachable),
            (Step::Recipient, Some(450), "", Deferred),
            (Step::Recipient, Some(501), "", Refused),
            (Step::Recipient, Some(530), "", Unreachable),
            (Step::Recipient, Some(550), "550 no such user", Refused),
            (Step::Recipient, Some(550), "550 5.1.1 no such user", Refused),
            (Step::Recipient, Some(550), "550 5.2.1 disabled", Refused),
            (Step::Recipient, Some(552), "552 5.2.2 full", Deferred),
            (Step::Recipient, Some(554), "554 5.7.1 relay access denied", Deferred),
            (Step::Content, Some(452), "", Deferred),
            (Step::Content, Some(550), "550 5.4.5 daily limit", Deferred),
            (Step::Content, Some(554), "554 5.6.0 content", Refused),
            (Step::Content, None, "", Unreachable),
        ];
        for (step, code, words, expected) in cases {
            assert_eq!(kind(step, code, words), expected, "{code:?} {words}");
        }
    }

    #[test]
    fn reply_is_logged_as_one_short_line() {
        assert_eq!(
            one_line("550 5.1.1\r\nno\u{1b}[31m\u{9b}such\tuser"),
            "550 5.1.1 no\\u{1b}[31m\\u{9b}such user"
        );
        assert!(one_line(&"я".repeat(5_000)).chars().count() <= MAX_WORDS);
    }
}
