//! The head of a request: checks of HTTP/1.1 (RFC 9112) that hyper leaves to its users, and the
//! headers that all APIs read alike.

use std::borrow::Cow;

use axum::http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, HOST, TRANSFER_ENCODING};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, Version};

use crate::language::Language;

/// The request line and all header lines together.
pub const MAX_BYTES: usize = 32 * 1024;

/// The status of a request that is refused before anything is served.
pub fn refusal<B>(request: &Request<B>) -> Option<StatusCode> {
    if size(request) > MAX_BYTES {
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let is_sound = has_host(request) && has_one_coding(request.headers());
    (!is_sound).then_some(StatusCode::BAD_REQUEST)
}

/// The credentials of a request. Several lines are joined, as WSGI does for the libraries, and so
/// never form a valid token.
pub fn authorization(headers: &HeaderMap) -> Option<Cow<'_, [u8]>> {
    let lines = headers.get_all(AUTHORIZATION).iter();
    let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
    match lines[..] {
        [] => None,
        [line] => Some(Cow::Borrowed(line)),
        _ => Some(Cow::Owned(lines.join(&b","[..]))),
    }
}

/// The client's preferred language among those of our mails and pages.
pub fn language(headers: &HeaderMap) -> Option<Language> {
    let accepted = headers.get(ACCEPT_LANGUAGE)?;
    Language::accepted(&String::from_utf8_lossy(accepted.as_bytes()))
}

/// The size as the client wrote it, without white space around values.
fn size<B>(request: &Request<B>) -> usize {
    let line = request.method().as_str().len() + " ".len() + length(request.uri());
    let headers = request.headers().iter();
    let headers: usize =
        headers.map(|(name, value)| name.as_str().len() + ": \r\n".len() + value.len()).sum();
    line + " HTTP/1.1\r\n".len() + headers + "\r\n".len()
}

/// How long the text of a URI is.
fn length(uri: &Uri) -> usize {
    let scheme = uri.scheme().map_or(0, |scheme| scheme.as_str().len() + "://".len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    let query = uri.query().map_or(0, |query| "?".len() + query.len());
    scheme + authority + uri.path().len() + query
}

/// Whether there is exactly one host, as RFC 9112 section 3.2 requires; before 1.1 it may be
/// missing.
fn has_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => host.is_empty() || is_authority(host),
        (Some(_), Some(_)) => false,
    }
}

fn is_authority(host: &HeaderValue) -> bool {
    if is_name_and_port(host.as_bytes()) {
        return true;
    }
    let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| !authority.as_str().contains('@'))
}

/// Whether it is what nearly every client sends, which needs no parser.
fn is_name_and_port(host: &[u8]) -> bool {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.".contains(byte);
    let mut parts = host.splitn(2, |byte| *byte == b':');
    let name = parts.next().unwrap_or_default();
    let is_port = |port: &[u8]| !port.is_empty() && port.iter().all(u8::is_ascii_digit);
    !name.is_empty() && name.iter().all(is_of_name) && parts.next().is_none_or(is_port)
}

/// Whether the body has no transfer coding but `chunked`: a request that a proxy and this server
/// could read differently is refused.
fn has_one_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked =
        |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    codings.next().is_none_or(is_chunked) && codings.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_of_a_uri_is_that_of_its_text() {
        for text in ["/", "*", "/a?b=c", "/a?", "example.com:80", "http://example.com:80/a?b"] {
            let uri: Uri = text.parse().expect(text);
            assert_eq!(length(&uri), uri.to_string().len(), "{text}");
        }
    }

    #[test]
    fn host_is_a_name_or_an_address_with_or_without_a_port() {
        for sound in ["example.com", "localhost:8000", "192.0.2.1:80", "[2001:db8::1]:80", "a_b"] {
            assert!(is_authority(&HeaderValue::from_static(sound)), "{sound}");
        }
        for other in ["", "a:80:80", "anna@example.com", "a b", "[::1", "%41"] {
            assert!(!is_authority(&HeaderValue::from_static(other)), "{other}");
        }
    }

    #[test]
    fn authorization_lines_are_joined() {
        let read = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(AUTHORIZATION, HeaderValue::from_static(line));
            }
            authorization(&headers).map(|read| String::from_utf8_lossy(&read).into_owned())
        };
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["Bearer a"]).as_deref(), Some("Bearer a"));
        assert_eq!(read(&["Bearer a", "Bearer a"]).as_deref(), Some("Bearer a,Bearer a"));
        assert_eq!(read(&["Bearer a", ""]).as_deref(), Some("Bearer a,"));
    }
}
