//! A mail server: it speaks ESMTP with and without TLS, records every command and every mail, and
//! behaves as the test orders, which may change at any time.

mod session;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::session::Connection;
pub use crate::certificate::Authority;

/// How the server treats the next command; a connection looks at this before each command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    #[default]
    Fine,
    /// Connections are closed at once.
    Refuse,
    /// 451 for every recipient except those of [`SmtpServer::let_through`].
    Greylist,
    /// 550 for every recipient.
    RefuseRecipient,
    /// The final dot is never answered, and the mail is not accepted.
    HangAfterData,
    /// The mail is accepted and answered 250, then the connection is reset.
    AcceptThenReset,
    /// This command is never answered; `CONNECT` means the greeting.
    HangAt(&'static str),
    /// This command gets this answer, without the line end; `CONNECT` is the greeting, `.` the
    /// mail.
    Answer(&'static str, String),
}

/// The transport security of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    #[default]
    None,
    StartTls,
    Tls,
}

/// What kind of server to start.
pub struct Options {
    /// The address to listen on; by default a free port of 127.0.0.1.
    pub listen: SocketAddr,
    pub protection: Protection,
    /// The host name or address in its certificate.
    pub certified_as: &'static str,
    /// User and password; without them no mail is accepted.
    pub account: Option<(&'static str, &'static str)>,
    /// The sign-in mechanisms that it offers.
    pub mechanisms: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            protection: Protection::None,
            certified_as: "127.0.0.1",
            account: None,
            mechanisms: "PLAIN LOGIN",
        }
    }
}

/// A mail as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    /// Without the dots that SMTP adds.
    pub content: Vec<u8>,
}

/// Listens until it is dropped.
pub struct SmtpServer {
    pub address: SocketAddr,
    state: Arc<State>,
    listening: JoinHandle<()>,
    ca_file: PathBuf,
    _folder: TempDir,
}

/// Shared by all connections.
struct State {
    protection: Protection,
    account: Option<(&'static str, &'static str)>,
    mechanisms: &'static str,
    tls: tokio_rustls::TlsAcceptor,
    shared: Mutex<Shared>,
    /// The number of mails, to wait for.
    taken: watch::Sender<usize>,
}

#[derive(Default)]
struct Shared {
    behaviour: Behaviour,
    let_through: HashSet<String>,
    commands: Vec<String>,
    mails: Vec<Received>,
    connections: usize,
}

impl SmtpServer {
    pub async fn start() -> Self {
        SmtpServer::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let authority = Authority::new();
        let folder = tempfile::tempdir().expect("a temporary directory");
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, authority.pem()).expect("a file of the test's own");
        let listener = TcpListener::bind(options.listen).await.expect("an address to listen on");
        let address = listener.local_addr().expect("it listens");
        let state = Arc::new(State {
            protection: options.protection,
            account: options.account,
            mechanisms: options.mechanisms,
            tls: authority.acceptor(options.certified_as),
            shared: Mutex::default(),
            taken: watch::Sender::new(0),
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&state)));
        SmtpServer { address, state, listening, ca_file, _folder: folder }
    }

    /// `smtp://` or `smtps://` with this server's port, as in the settings.
    pub fn url(&self) -> String {
        match self.state.protection {
            Protection::None => format!("smtp://{}", self.address),
            Protection::StartTls => format!("smtp://{}?tls=required", self.address),
            Protection::Tls => format!("smtps://{}", self.address),
        }
    }

    /// The authority that made this server's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.ca_file.clone()
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.state.shared().behaviour = behaviour;
    }

    /// Accepts this recipient in spite of greylisting.
    pub fn let_through(&self, recipient: &str) {
        self.state.shared().let_through.insert(recipient.to_owned());
    }

    /// Every command line received, in order, without mails and passwords.
    pub fn commands(&self) -> Vec<String> {
        self.state.shared().commands.clone()
    }

    pub fn connections(&self) -> usize {
        self.state.shared().connections
    }

    /// The accepted mails, in order of arrival.
    pub fn mails(&self) -> Vec<Received> {
        self.state.shared().mails.clone()
    }

    /// Changes with every accepted mail.
    pub(crate) fn taken(&self) -> watch::Receiver<usize> {
        self.state.taken.subscribe()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl State {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn behaviour(&self) -> Behaviour {
        self.shared().behaviour.clone()
    }

    fn take(&self, mail: Received) {
        let mut shared = self.shared();
        shared.mails.push(mail);
        self.taken.send_replace(shared.mails.len());
    }
}

async fn listen(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        state.shared().connections += 1;
        // A connection that breaks is the client's problem.
        tokio::spawn(Connection::serve(stream, Arc::clone(&state)));
    }
}
