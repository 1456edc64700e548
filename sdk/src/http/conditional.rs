//! A request body that is sent only if it is still needed. That is checked when the connection is
//! open and the body is about to be sent, because a process may be suspended for hours before that.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

/// Returns whether the body is still needed.
pub(crate) type Condition = Pin<Box<dyn Future<Output = bool> + Send>>;

/// A conditional body with this text.
pub(super) fn body(text: String, condition: Condition) -> reqwest::Body {
    reqwest::Body::wrap(Conditional {
        text: Some(text.into_bytes().into()),
        condition: Mutex::new(Some(condition)),
        looking: None,
    })
}

struct Conditional {
    text: Option<bytes::Bytes>,
    condition: Mutex<Option<Condition>>,
    looking: Option<JoinHandle<bool>>,
}

impl Body for Conditional {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, std::io::Error>>> {
        let this = self.get_mut();
        if this.text.is_none() {
            return Poll::Ready(None);
        }
        let condition = this.condition.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(condition) = condition {
            this.looking = Some(tokio::spawn(condition));
        }
        let looked = match &mut this.looking {
            Some(looking) => std::task::ready!(Pin::new(looking).poll(context)),
            None => Ok(true),
        };
        this.looking = None;
        let text = this.text.take();
        match looked {
            Ok(true) => Poll::Ready(text.map(|text| Ok(Frame::data(text)))),
            Ok(false) | Err(_) => {
                let error = std::io::Error::other("the body is not needed any more");
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.text.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.text.as_ref().map_or(0, |text| text.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    /// What a server receives of a request with a conditional body.
    async fn arrives(is_still_needed: bool) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let network = crate::network::Network::default();
        let (tls, server) = (network.tls().unwrap(), url::Url::parse(&url).unwrap());
        let client = network.client(&tls, &server).unwrap();
        let sending = tokio::spawn(async move {
            let body = body("secret".to_owned(), Box::pin(async move { is_still_needed }));
            client.post(url).body(body).send().await.is_ok()
        });
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).ends_with("secret") {
            if stream.read_buf(&mut seen).await.unwrap() == 0 {
                break;
            }
        }
        drop(stream);
        assert!(!sending.await.unwrap(), "there is no answer");
        String::from_utf8(seen).unwrap()
    }

    #[tokio::test]
    async fn conditional_body_is_sent_with_its_length_or_not_at_all() {
        let sent = arrives(true).await;
        assert!(
            sent.contains("content-length: 6\r\n") && sent.ends_with("\r\n\r\nsecret"),
            "{sent}"
        );
        assert!(!arrives(false).await.contains("secret"));
    }
}
