//! One connection: commands are read line by line, and every line must end in CR LF (RFC 5321).

use std::future::pending;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::{Behaviour, Protection, Received, State};

/// A stream, with or without TLS, that can be reset.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    const IS_PLAIN: bool;

    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    const IS_PLAIN: bool = true;

    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Stream for TlsStream<TcpStream> {
    const IS_PLAIN: bool = false;

    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

pub(super) struct Connection<S: Stream> {
    stream: BufReader<S>,
    state: Arc<State>,
    signed_in: bool,
    from: Option<String>,
    to: Vec<String>,
}

/// What follows a command.
enum Next {
    Command,
    Upgrade,
    End,
}

impl Connection<TcpStream> {
    /// Serves a client from the greeting to the end, in TLS once that is agreed.
    pub async fn serve(stream: TcpStream, state: Arc<State>) -> io::Result<()> {
        if state.behaviour() == Behaviour::Refuse {
            return stream.set_zero_linger();
        }
        if state.protection == Protection::Tls {
            let stream = state.tls.accept(stream).await?;
            let mut connection = Connection::new(stream, state);
            connection.greet().await?;
            return connection.run().await.map(drop);
        }
        let mut connection = Connection::new(stream, state);
        connection.greet().await?;
        if let Next::Upgrade = connection.run().await? {
            let Connection { stream, state, .. } = connection;
            assert!(stream.buffer().is_empty(), "commands were sent along with STARTTLS");
            let stream = state.tls.accept(stream.into_inner()).await?;
            Connection::new(stream, state).run().await?;
        }
        Ok(())
    }
}

impl<S: Stream> Connection<S> {
    fn new(stream: S, state: Arc<State>) -> Self {
        let stream = BufReader::new(stream);
        Connection { stream, state, signed_in: false, from: None, to: Vec::new() }
    }

    async fn greet(&mut self) -> io::Result<()> {
        match self.state.behaviour() {
            Behaviour::HangAt("CONNECT") => pending().await,
            Behaviour::Answer("CONNECT", answer) => self.say(&answer).await,
            _ => self.say("220 test.example ESMTP").await,
        }
    }

    async fn run(&mut self) -> io::Result<Next> {
        loop {
            let Some(line) = self.line().await? else { return Ok(Next::End) };
            let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
            let verb = verb.to_ascii_uppercase();
            let noted = if verb == "AUTH" { argument.split(' ').next() } else { Some(argument) };
            let noted = format!("{verb} {}", noted.unwrap_or_default()).trim_end().to_owned();
            self.state.shared().commands.push(noted);
            match self.state.behaviour() {
                Behaviour::Refuse => return Ok(Next::End),
                Behaviour::HangAt(at) if at == verb => pending().await,
                Behaviour::Answer(at, answer) if at == verb => self.say(&answer).await?,
                _ => match self.obey(&verb, argument).await? {
                    Next::Command => {}
                    next => return Ok(next),
                },
            }
        }
    }

    async fn obey(&mut self, verb: &str, argument: &str) -> io::Result<Next> {
        match verb {
            "EHLO" | "HELO" => self.hello().await?,
            "STARTTLS" if S::IS_PLAIN && self.state.protection == Protection::StartTls => {
                self.say("220 2.0.0 go ahead").await?;
                return Ok(Next::Upgrade);
            }
            "AUTH" => self.sign_in(argument).await?,
            "MAIL" => self.mail(argument).await?,
            "RCPT" => self.rcpt(argument).await?,
            "DATA" if self.to.is_empty() => self.say("503 5.5.1 no recipient").await?,
            "DATA" => return self.data().await,
            "RSET" => {
                self.forget();
                self.say("250 2.0.0 ok").await?;
            }
            "NOOP" => self.say("250 2.0.0 ok").await?,
            "QUIT" => {
                self.say("221 2.0.0 bye").await?;
                return Ok(Next::End);
            }
            _ => self.say("500 5.5.1 unknown command").await?,
        }
        Ok(Next::Command)
    }

    async fn hello(&mut self) -> io::Result<()> {
        let state = Arc::clone(&self.state);
        let mut lines = vec!["test.example".to_owned(), "SIZE 1000000".to_owned()];
        lines.extend(["8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"].map(str::to_owned));
        if S::IS_PLAIN && state.protection == Protection::StartTls {
            lines.push("STARTTLS".to_owned());
        } else if state.account.is_some() {
            lines.push(format!("AUTH {}", state.mechanisms));
        }
        let last = lines.len() - 1;
        for (index, line) in lines.iter().enumerate() {
            let separator = if index == last { ' ' } else { '-' };
            self.say(&format!("250{separator}{line}")).await?;
        }
        Ok(())
    }

    async fn sign_in(&mut self, argument: &str) -> io::Result<()> {
        let given = match argument.split_once(' ').unwrap_or((argument, "")) {
            ("PLAIN", first) => {
                let text = if first.is_empty() { self.ask("").await? } else { decoded(first) };
                let mut parts = text.split('\0').skip(1).map(str::to_owned);
                parts.next().zip(parts.next())
            }
            ("LOGIN", _) => Some((self.ask("Username:").await?, self.ask("Password:").await?)),
            _ => None,
        };
        let expected =
            self.state.account.map(|(user, password)| (user.to_owned(), password.to_owned()));
        self.signed_in = given.is_some() && given == expected;
        match self.signed_in {
            true => self.say("235 2.7.0 welcome").await,
            false => self.say("535 5.7.8 wrong user or password").await,
        }
    }

    async fn ask(&mut self, question: &str) -> io::Result<String> {
        self.say(&format!("334 {}", STANDARD.encode(question))).await?;
        Ok(decoded(&self.line().await?.unwrap_or_default()))
    }

    async fn mail(&mut self, argument: &str) -> io::Result<()> {
        if self.state.account.is_some() && !self.signed_in {
            return self.say("530 5.7.0 sign in first").await;
        }
        let Some((from, parameters)) = path(argument, "FROM:") else {
            return self.say("501 5.1.7 bad sender").await;
        };
        let known = ["SIZE=", "BODY=8BITMIME", "BODY=7BIT", "SMTPUTF8"];
        if !parameters.split_whitespace().all(|given| known.iter().any(|k| given.starts_with(k))) {
            return self.say("555 5.5.4 unknown parameter").await;
        }
        self.forget();
        self.from = Some(from);
        self.say("250 2.1.0 ok").await
    }

    async fn rcpt(&mut self, argument: &str) -> io::Result<()> {
        if self.from.is_none() {
            return self.say("503 5.5.1 no sender").await;
        }
        let Some((to, _)) = path(argument, "TO:").filter(|(to, _)| !to.is_empty()) else {
            return self.say("501 5.1.3 bad recipient").await;
        };
        match self.state.behaviour() {
            Behaviour::RefuseRecipient => {
                self.say(&format!("550 5.1.1 <{to}>: no such mailbox")).await
            }
            Behaviour::Greylist if !self.state.shared().let_through.contains(&to) => {
                self.say("451 4.7.1 come again later").await
            }
            _ => {
                self.to.push(to);
                self.say("250 2.1.5 ok").await
            }
        }
    }

    async fn data(&mut self) -> io::Result<Next> {
        self.say("354 end with a dot").await?;
        let mut content = Vec::new();
        loop {
            let Some(mut line) = self.raw_line().await? else { return Ok(Next::End) };
            if line == b".\r\n" {
                break;
            }
            if line.first() == Some(&b'.') {
                line.remove(0);
            }
            content.append(&mut line);
        }
        let mail = Received {
            from: self.from.take().unwrap_or_default(),
            to: std::mem::take(&mut self.to),
            content,
        };
        match self.state.behaviour() {
            Behaviour::HangAfterData => pending().await,
            Behaviour::Answer(".", answer) => self.say(&answer).await?,
            Behaviour::AcceptThenReset => {
                self.state.take(mail);
                self.say("250 2.0.0 taken").await?;
                self.stream.get_ref().tcp().set_zero_linger()?;
                return Ok(Next::End);
            }
            _ => {
                self.state.take(mail);
                self.say("250 2.0.0 taken").await?;
            }
        }
        Ok(Next::Command)
    }

    fn forget(&mut self) {
        self.from = None;
        self.to.clear();
    }

    /// A command; `None` at the end.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let Some(line) = self.raw_line().await? else { return Ok(None) };
        let line = line.strip_suffix(b"\r\n").unwrap_or(b"a line without CR LF");
        Ok(Some(String::from_utf8_lossy(line).into_owned()))
    }

    async fn raw_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await?;
        Ok((!line.is_empty()).then_some(line))
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.stream.flush().await
    }
}

/// `FROM:<a@b.example> SIZE=1` as address and parameters.
fn path(argument: &str, keyword: &str) -> Option<(String, String)> {
    let (given, rest) = argument.split_at_checked(keyword.len())?;
    let (address, parameters) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    let sound = given.eq_ignore_ascii_case(keyword) && !address.contains(['<', ' ']);
    sound.then(|| (address.to_owned(), parameters.to_owned()))
}

fn decoded(base64: &str) -> String {
    let bytes = STANDARD.decode(base64).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}
