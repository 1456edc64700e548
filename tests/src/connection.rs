//! A bare TCP connection: the test writes the bytes and reads the answers unparsed.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any deadline of the server; it only ends a test that would wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Connection(BufReader<TcpStream>);

/// One answer; its head is not parsed.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Connection {
    pub async fn open(server: SocketAddr) -> Self {
        Connection(BufReader::new(TcpStream::connect(server).await.expect("a connection")))
    }

    /// Opens a connection and sends.
    pub async fn with(server: SocketAddr, bytes: impl AsRef<[u8]>) -> Self {
        let mut connection = Connection::open(server).await;
        connection.send(bytes).await;
        connection
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the connection is open");
    }

    /// Fails when the server has closed the connection.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref()).await
    }

    /// The next answer, with its body.
    pub async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        let length = answer.header("content-length").map_or(0, |n| n.parse().expect("a length"));
        let mut body = vec![0; length];
        let read = timeout(PATIENCE, self.0.read_exact(&mut body)).await;
        read.expect("a body in time").expect("a whole body");
        answer.body = String::from_utf8(body).expect("UTF-8");
        answer
    }

    /// The next answer to HEAD, or an interim one: no body follows.
    pub async fn head(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let line = timeout(PATIENCE, self.0.read_line(&mut head)).await;
            let read = line.expect("an answer in time").expect("an answer");
            assert_ne!(read, 0, "the server closed the connection after {head:?}");
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {head}"));
        Answer { status, head, body: String::new() }
    }

    /// Everything until the server closes the connection, with or without a reset.
    pub async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await;
        let _ = read.expect("the server closes the connection");
        String::from_utf8(rest).expect("UTF-8")
    }

    /// Whether anything has arrived that was not read yet.
    pub fn has_answer(&mut self) -> bool {
        let mut byte = [0];
        !self.0.buffer().is_empty() || self.0.get_ref().try_read(&mut byte).is_ok()
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut named = lines.filter(|(header, _)| header.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A POST of JSON with these header lines, each with its line end, instead of `Content-Length`.
pub fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{headers}\r\n{body}"
    )
}

/// A whole POST of JSON.
pub fn post_json(path: &str, body: &str) -> String {
    post(path, &format!("Content-Length: {}\r\n", body.len()), body)
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}
