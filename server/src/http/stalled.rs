//! A stream that fails if its peer reads nothing: hyper has a deadline for reading heads but none
//! for writing, so a client that never reads would hold a connection for ever.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::head_timer::Arrivals;

/// Fails a write that has made no progress for `patience`.
pub struct WriteTimeout {
    stream: TcpStream,
    patience: Duration,
    /// The timer of a waiting write.
    waiting: Pin<Box<Sleep>>,
    is_waiting: bool,
    arrivals: Arrivals,
}

impl WriteTimeout {
    pub fn new(stream: TcpStream, patience: Duration, arrivals: Arrivals) -> Self {
        let waiting = Box::pin(sleep(patience));
        WriteTimeout { stream, patience, waiting, is_waiting: false, arrivals }
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

impl AsyncRead for WriteTimeout {
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

impl AsyncWrite for WriteTimeout {
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
        let poll = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, poll)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn write_to_a_peer_that_reads_nothing_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let (silent, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_silent, (stream, _)) = (silent.expect("a peer"), accepted.expect("a connection"));
        let mut stream = WriteTimeout::new(stream, Duration::from_millis(50), Arrivals::default());
        let chunk = vec![0; 1 << 20];
        let outcome = async {
            loop {
                stream.write_all(&chunk).await?;
            }
        };
        let outcome: io::Result<()> = outcome.await;
        assert_eq!(outcome.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }
}
