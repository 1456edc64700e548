//! A request body that is sent only while something is so, looked at when the connection is there and
//! the body is about to go: between that and the decision to send may lie hours, where a process was
//! stopped.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

/// Whether the body is to be sent.
pub(crate) type Condition = Pin<Box<dyn Future<Output = bool> + Send>>;

/// The text as a body.
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
                let error = std::io::Error::other("it is not to be sent any more");
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
