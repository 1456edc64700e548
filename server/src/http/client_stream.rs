//! The stream of a connection, with two rules that hyper does not have. A write fails if the client
//! reads nothing, because such a client would hold a connection for ever. And the end of a connection
//! waits for a client that is still sending: if it were closed under unread bytes, the system would
//! reset it, and the answer, such as 413, would be lost (RFC 9112, section 9.6).

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::head_timer::Arrivals;

/// How long a client may go on sending after the last answer.
const LINGER: Duration = Duration::from_secs(1);
/// How much of it is read at once.
const CHUNK: usize = 16 * 1024;

/// Fails a write that has made no progress for `patience`.
pub struct ClientStream {
    stream: TcpStream,
    patience: Duration,
    /// The timer of a waiting write, and then of the end.
    waiting: Pin<Box<Sleep>>,
    is_waiting: bool,
    /// Whether the last byte has been sent.
    is_ending: bool,
    arrivals: Arrivals,
}

impl ClientStream {
    pub fn new(stream: TcpStream, patience: Duration, arrivals: Arrivals) -> Self {
        let waiting = Box::pin(sleep(patience));
        ClientStream { stream, patience, waiting, is_waiting: false, is_ending: false, arrivals }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.is_waiting = false;
            return poll;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.waiting.as_mut().reset(Instant::now() + self.patience);
        }
        self.waiting.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl ClientStream {
    /// Ready when the client has closed its side, or when it has been sending for too long.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut unread = [0; CHUNK];
        while self.waiting.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut unread);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.arrivals.note(&buffer.filled()[before..]);
        poll
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.watch(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_ending {
            let poll = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.watch(cx, poll))?;
            self.is_ending = true;
            self.waiting.as_mut().reset(Instant::now() + LINGER);
        }
        self.poll_end(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A client, and the server's end of its connection.
    async fn connected(patience: Duration) -> (TcpStream, ClientStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (client, (stream, _)) = (client.expect("a client"), accepted.expect("a connection"));
        (client, ClientStream::new(stream, patience, Arrivals::default()))
    }

    #[tokio::test]
    async fn write_to_a_client_that_reads_nothing_fails() {
        let (_silent, mut stream) = connected(Duration::from_millis(50)).await;
        let chunk = vec![0; 1 << 20];
        let outcome = async {
            loop {
                stream.write_all(&chunk).await?;
            }
        };
        let outcome: io::Result<()> = outcome.await;
        assert_eq!(outcome.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn last_answer_reaches_a_client_that_is_still_sending() {
        let (mut client, mut stream) = connected(Duration::from_secs(15)).await;
        let serving = tokio::spawn(async move {
            stream.write_all(b"413").await?;
            stream.shutdown().await
        });
        client.write_all(&vec![0; 4 << 20]).await.expect("the connection is open");
        client.shutdown().await.expect("the connection is open");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("an answer");
        assert_eq!(answer, b"413");
        serving.await.expect("no panic").expect("an orderly end");
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_never_ends_is_disconnected() {
        let (client, mut stream) = connected(Duration::from_secs(15)).await;
        let began = Instant::now();
        stream.shutdown().await.expect("an orderly end");
        assert_eq!(began.elapsed().as_secs(), LINGER.as_secs());
        drop(client);
    }
}
