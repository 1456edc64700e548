//! What a link means for the app, without the code and state that it contains: only
//! `Client.complete_sign_in` needs those, and it takes the whole link.

use propusk::RedirectUri;
use propusk::deeplink;

use crate::error::Result;

/// What a link means for this app.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Enum)]
pub enum DeepLink {
    /// A sign-in returns with a code: pass the link to `Client.complete_sign_in`.
    Code {
        /// The redirect that the link matched.
        redirect: String,
    },
    /// A sign-in returns with an error: pass the link to `Client.complete_sign_in`.
    Failed {
        /// `access_denied`: the user cancelled. Also `provider_refused` and `provider_unavailable`.
        error: String,
        /// The redirect that the link matched.
        redirect: String,
    },
    /// The link does not lead to a redirect of this app.
    Unrelated,
    /// The link leads to a redirect, but a server would not have made it.
    Malformed {
        /// What is wrong with it.
        problem: LinkProblem,
    },
}

/// What is wrong with a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq, uniffi::Enum)]
pub enum LinkProblem {
    /// It is longer than 8 KiB.
    TooLong,
    /// It has a fragment.
    Fragment,
    /// A `%` is not followed by two hexadecimal digits.
    Escape,
    /// It contains a character that is not allowed.
    Character,
    /// A code, state or error appears twice.
    Repeated,
    /// It contains both a code and an error.
    Contradictory,
    /// It has no state, or neither a code nor an error.
    Incomplete,
}

/// Reads a link from any source. It sends and stores nothing. It fails with `Usage` if a redirect
/// is not one that a server would register.
#[uniffi::export]
pub fn parse_deep_link(link: String, redirects: Vec<String>) -> Result<DeepLink> {
    let redirects = redirects.iter().map(|redirect| RedirectUri::parse(redirect));
    let redirects = redirects.collect::<propusk::Result<Vec<_>>>()?;
    Ok(match deeplink::parse(&link, &redirects) {
        deeplink::Link::Code { redirect, .. } => {
            DeepLink::Code { redirect: redirect.as_str().to_owned() }
        }
        deeplink::Link::Failed { error, redirect, .. } => {
            DeepLink::Failed { error, redirect: redirect.as_str().to_owned() }
        }
        deeplink::Link::Malformed(problem) => DeepLink::Malformed { problem: problem.into() },
        _ => DeepLink::Unrelated,
    })
}

impl From<deeplink::LinkProblem> for LinkProblem {
    fn from(problem: deeplink::LinkProblem) -> Self {
        match problem {
            deeplink::LinkProblem::TooLong => LinkProblem::TooLong,
            deeplink::LinkProblem::Fragment => LinkProblem::Fragment,
            deeplink::LinkProblem::Escape => LinkProblem::Escape,
            deeplink::LinkProblem::Repeated => LinkProblem::Repeated,
            deeplink::LinkProblem::Contradictory => LinkProblem::Contradictory,
            deeplink::LinkProblem::Incomplete => LinkProblem::Incomplete,
            _ => LinkProblem::Character,
        }
    }
}
