#![doc = include_str!("../docs/deep-links.md")]

use std::borrow::Cow;

use propusk_wire::Secret;

use crate::redirect::RedirectUri;

/// The longest link that is read, in bytes.
const MAX_LENGTH: usize = 8 * 1024;

/// What a link means for this app.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Link {
    /// A sign-in returns with a code. Only the app that started the sign-in can use it.
    Code {
        /// The one-time code, valid for a minute.
        code: Secret,
        /// The id of the sign-in.
        state: Secret,
        /// The redirect that the link matched.
        redirect: RedirectUri,
    },
    /// A sign-in returns with an error.
    Failed {
        /// `access_denied`: the user cancelled. Also `provider_refused` and `provider_unavailable`.
        error: String,
        /// The id of the sign-in.
        state: Secret,
        /// The redirect that the link matched.
        redirect: RedirectUri,
    },
    /// The link does not lead to a redirect of this app.
    Unrelated,
    /// The link leads to a redirect, but a server would not have made it.
    Malformed(LinkProblem),
}

/// What is wrong with a link.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LinkProblem {
    /// It is longer than 8 KiB.
    TooLong,
    /// It has a fragment.
    Fragment,
    /// A `%` is not followed by two hexadecimal digits.
    Escape,
    /// It contains a control character, or a code, state or error with other than visible ASCII
    /// characters.
    Character,
    /// A code, state or error appears twice.
    Repeated,
    /// It contains both a code and an error.
    Contradictory,
    /// It has no state, or neither a code nor an error, or one of them is empty.
    Incomplete,
}

/// Reads a link from any source. It reads no clock, stores nothing and never fails. Parameters may
/// be in any order; unknown ones are ignored.
///
/// ```
/// use propusk::RedirectUri;
/// use propusk::deeplink::{self, Link};
///
/// let redirects = [RedirectUri::parse("com.example.app:/signed-in")?];
/// let link = deeplink::parse("com.example.app:/signed-in?code=c0de&state=5tate", &redirects);
/// assert!(matches!(link, Link::Code { .. }));
/// assert_eq!(deeplink::parse("com.example.app:/settings", &redirects), Link::Unrelated);
/// # Ok::<(), propusk::Error>(())
/// ```
pub fn parse(link: &str, redirects: &[RedirectUri]) -> Link {
    if link.len() > MAX_LENGTH {
        return Link::Malformed(LinkProblem::TooLong);
    }
    let ours = redirects.iter().filter_map(|redirect| Some((redirect, redirect.added_to(link)?)));
    // If one redirect has a query and another has none, the longer one matches.
    let Some((redirect, added)) = ours.max_by_key(|(redirect, _)| redirect.as_str().len()) else {
        return Link::Unrelated;
    };
    match read(added) {
        Ok(Parameters { code: Some(_), error: Some(_), .. }) => {
            Link::Malformed(LinkProblem::Contradictory)
        }
        Ok(Parameters { code: Some(code), state: Some(state), .. }) => {
            let (code, state) = (code.into(), state.into());
            Link::Code { code, state, redirect: redirect.clone() }
        }
        Ok(Parameters { error: Some(error), state: Some(state), .. }) => {
            Link::Failed { error, state: state.into(), redirect: redirect.clone() }
        }
        Ok(_) => Link::Malformed(LinkProblem::Incomplete),
        Err(broken) => Link::Malformed(broken),
    }
}

#[derive(Default)]
struct Parameters {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

fn read(added: &str) -> Result<Parameters, LinkProblem> {
    if added.contains('#') {
        return Err(LinkProblem::Fragment);
    }
    if added.contains(|c: char| c.is_ascii_control()) {
        return Err(LinkProblem::Character);
    }
    let mut found = Parameters::default();
    for pair in added.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let place = match &*decoded(name)? {
            b"code" => &mut found.code,
            b"state" => &mut found.state,
            b"error" => &mut found.error,
            _ => continue,
        };
        if place.replace(text(value)?).is_some() {
            return Err(LinkProblem::Repeated);
        }
    }
    Ok(found)
}

/// The value of one of our parameters. The server writes only visible ASCII characters (RFC 6749
/// appendix A).
fn text(value: &str) -> Result<String, LinkProblem> {
    let bytes = decoded(value)?;
    if bytes.is_empty() {
        return Err(LinkProblem::Incomplete);
    }
    if !bytes.iter().all(u8::is_ascii_graphic) {
        return Err(LinkProblem::Character);
    }
    String::from_utf8(bytes.into_owned()).map_err(|_| LinkProblem::Character)
}

/// Decodes form encoding: `+` is a space.
fn decoded(text: &str) -> Result<Cow<'_, [u8]>, LinkProblem> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => 16 * digit(bytes.next())? + digit(bytes.next())?,
            b'+' => b' ',
            other => other,
        });
    }
    Ok(Cow::Owned(decoded))
}

fn digit(byte: Option<u8>) -> Result<u8, LinkProblem> {
    let value = byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or(LinkProblem::Escape)?;
    u8::try_from(value).map_err(|_| LinkProblem::Escape)
}
