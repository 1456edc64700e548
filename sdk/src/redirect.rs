//! Redirects: the links to which a sign-in returns. The server's operator registers them, and they
//! are compared exactly.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;

use crate::error::{Error, Result};

const MAX_LENGTH: usize = 1024;
const LOOPBACK: [(&str, IpAddr); 2] =
    [("127.0.0.1", IpAddr::V4(Ipv4Addr::LOCALHOST)), ("[::1]", IpAddr::V6(Ipv6Addr::LOCALHOST))];

/// A link that leads to the app: a claimed `https` link, one with the app's own scheme such as
/// `com.example.app:/signed-in`, or `http://127.0.0.1/signed-in` for a port of this machine (RFC
/// 8252 section 7). [`deeplink`](crate::deeplink) explains which one to choose.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RedirectUri(String);

/// The parts of a link that must be equal. The query is compared separately.
#[derive(Clone, Copy)]
struct Target<'l> {
    scheme: &'l str,
    host: Option<&'l str>,
    path: &'l str,
}

impl RedirectUri {
    /// Parses a redirect as it is registered in the server's setting `redirects.allowed`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a link that a server would not register:
    /// one that is not absolute or not in the normal form of browsers; one with a fragment,
    /// credentials, or a parameter `code`, `state` or `error`; `http` to another host than
    /// `127.0.0.1` and `[::1]`; more than 1,024 characters.
    pub fn parse(link: &str) -> Result<Self> {
        match problem_of(link) {
            None => Ok(RedirectUri(link.to_owned())),
            Some(problem) => Err(Error::usage(format!("a redirect {problem}"))),
        }
    }

    /// The redirect as it was registered; for a loopback redirect with the port of the listener.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it leads to a port of this machine.
    pub fn is_loopback(&self) -> bool {
        self.loopback_address().is_some()
    }

    pub(crate) fn loopback_address(&self) -> Option<IpAddr> {
        let host = Target::of(&self.0).filter(|target| target.is_http())?.host;
        LOOPBACK.into_iter().find(|(name, _)| host == Some(name)).map(|(_, address)| address)
    }

    /// Whether a link made for one redirect arrives at the other: they may differ only in the
    /// loopback port.
    pub(crate) fn is_same(&self, other: &RedirectUri) -> bool {
        let targets = Target::of(&self.0).zip(Target::of(&other.0));
        targets.is_some_and(|(one, other)| one.is_same(other))
            && query_and_fragment(&self.0) == query_and_fragment(&other.0)
    }

    /// What a link adds to this redirect, including a fragment; `None` if the link leads elsewhere.
    /// The server only adds parameters. Systems that forward links may change the case of scheme
    /// and host, and may write an empty path as a slash (RFC 3986 section 6.2).
    pub(crate) fn added_to<'l>(&self, link: &'l str) -> Option<&'l str> {
        if !Target::of(link)?.is_same(Target::of(&self.0)?) {
            return None;
        }
        let rest = query_and_fragment(link);
        let Some(own) = query_and_fragment(&self.0).strip_prefix('?') else {
            return Some(rest.strip_prefix('?').unwrap_or(rest));
        };
        let added = rest.strip_prefix('?')?.strip_prefix(own)?;
        let is_apart = added.is_empty() || added.starts_with(['&', '#']);
        (is_apart || own.is_empty() || own.ends_with('&')).then_some(added)
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'l> Target<'l> {
    fn of(link: &'l str) -> Option<Self> {
        let end = link.len() - query_and_fragment(link).len();
        let (scheme, rest) = link.get(..end)?.split_once(':')?;
        let Some(rest) = rest.strip_prefix("//") else {
            return Some(Target { scheme, host: None, path: rest });
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        let target = Target { scheme, host: Some(host), path };
        if target.is_http() {
            return Some(Target { host: Some(without_port(host)?), ..target });
        }
        Some(target)
    }

    fn is_http(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("http")
    }

    fn is_same(self, other: Target<'_>) -> bool {
        let is_same_host = match (self.host, other.host) {
            (Some(host), Some(other)) => host.eq_ignore_ascii_case(other),
            (None, None) => true,
            _ => false,
        };
        is_same_host && self.scheme.eq_ignore_ascii_case(other.scheme) && self.path == other.path
    }
}

/// Query and fragment.
fn query_and_fragment(link: &str) -> &str {
    link.find(['?', '#']).and_then(|at| link.get(at..)).unwrap_or_default()
}

/// The host without its port. Any port is accepted if it is a normal number.
fn without_port(host: &str) -> Option<&str> {
    match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') => {
            let number: u16 = port.parse().ok()?;
            (number > 0 && number.to_string() == port).then_some(name)
        }
        _ => Some(host),
    }
}

fn problem_of(link: &str) -> Option<&'static str> {
    let is_plain = link.bytes().all(|byte| byte.is_ascii_graphic())
        && !link.contains(['*', '\\', '"', '<', '>', '{', '}', '^', '`', '|']);
    let Ok(url) = Url::parse(link) else { return Some("must be an absolute link") };
    let is_canonical = url.as_str() == link || url.as_str().strip_suffix('/') == Some(link);
    let is_loopback = || RedirectUri(link.to_owned()).is_loopback();
    match url.scheme() {
        _ if link.len() > MAX_LENGTH => Some("must have at most 1,024 characters"),
        _ if !is_plain || !is_canonical => Some("must be in the normal form of browsers"),
        _ if url.fragment().is_some() => Some("must not have a fragment"),
        _ if !url.username().is_empty() || url.password().is_some() => {
            Some("must not have credentials")
        }
        _ if url.query_pairs().any(|(name, _)| is_ours(&name)) => {
            Some("must not have a parameter code, state or error")
        }
        "https" if !url.has_host() => Some("must have a host"),
        "http" if !is_loopback() => Some("over http must lead to 127.0.0.1 or [::1]"),
        _ => None,
    }
}

fn is_ours(parameter: &str) -> bool {
    ["code", "state", "error"].contains(&parameter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn redirect(link: &str) -> RedirectUri {
        RedirectUri::parse(link).expect(link)
    }

    #[test]
    fn redirect_that_a_server_would_not_register_is_refused() {
        let long = format!("myapp:/{}", "x".repeat(MAX_LENGTH));
        for bad in [
            "",
            "/cb",
            "app.example.com/cb",
            "https://",
            "https:app.example.com/cb",
            "https://APP.example.com/cb",
            "https://app.example.com:443/cb",
            "https://app.example.com/a/../cb",
            "https://app.example.com/cb#x",
            "https://app.example.com/cb#",
            "https://user@app.example.com/cb",
            "https://:pw@app.example.com/cb",
            "https://*.example.com/cb",
            "http://app.example.com/cb",
            "http://localhost/cb",
            "http://127.0.0.2/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://[::1/cb",
            "myapp:/cb?code=1",
            "myapp:/cb?x=1&st%61te=2",
            "myapp:/cb?error",
            "my app:/cb",
            " myapp:/cb",
            "myapp:/cb\n",
            "myapp:/я",
            &long,
        ] {
            let error = RedirectUri::parse(bad).expect_err(bad);
            assert_eq!(error.kind(), &ErrorKind::Usage, "{bad}");
        }
        for good in [
            "https://app.example.com/cb",
            "https://app.example.com",
            "https://app.example.com:8443/cb?x=1",
            "com.example.app:/signed-in",
            "myapp://cb",
            "myapp:///cb",
            "myapp:cb",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:49152/cb",
            "http://[::1]/",
        ] {
            assert_eq!(redirect(good).as_str(), good);
        }
    }

    #[test]
    fn redirect_matches_links_made_from_it() {
        let cases = [
            ("myapp:/cb", "myapp:/cb", Some("")),
            ("myapp:/cb", "MyApp:/cb?a=b", Some("a=b")),
            ("myapp://cb", "myapp://CB/?a=b", Some("a=b")),
            ("myapp://cb/", "myapp://cb?a=b", Some("a=b")),
            ("https://app.example.com", "https://app.example.com/?a=b", Some("a=b")),
            ("myapp:/cb?x=1", "myapp:/cb?x=1&a=b", Some("&a=b")),
            ("myapp:/cb?x=1", "myapp:/cb?x=1#a=b", Some("#a=b")),
            ("myapp:/cb?x=1", "myapp:/cb?x=12&a=b", None),
            ("myapp:/cb?x=1", "myapp:/cb?a=b&x=1", None),
            ("myapp:/cb?x=1", "myapp:/cb", None),
            ("myapp:/cb?", "myapp:/cb?a=b", Some("a=b")),
            ("myapp:/cb?x&", "myapp:/cb?x&a=b", Some("a=b")),
            ("myapp:/cb", "myapp:/cb#a", Some("#a")),
            ("myapp:/cb", "myapp://cb?a=b", None),
            ("myapp:/cb", "myapp:/CB?a=b", None),
            ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb?a", Some("a")),
            ("http://127.0.0.1:8080/cb", "http://127.0.0.1/cb?a", Some("a")),
            ("http://[::1]/cb", "http://[::1]:49152/cb?a", Some("a")),
            ("http://127.0.0.1/cb", "http://[::1]:49152/cb?a", None),
            ("https://app.example.com/cb", "https://app.example.com:8443/cb?a", None),
        ];
        for (registered, link, added) in cases {
            assert_eq!(redirect(registered).added_to(link), added, "{registered} {link}");
        }
    }

    #[test]
    fn redirect_is_the_same_with_another_loopback_port() {
        let registered = redirect("http://127.0.0.1/cb?x=1");
        let bound = redirect("http://127.0.0.1:49152/cb?x=1");
        assert!(registered.is_same(&bound) && bound.is_same(&registered));
        for other in [
            "http://127.0.0.1:49152/cb",
            "http://127.0.0.1:49152/cb?x=2",
            "http://[::1]:49152/cb?x=1",
            "https://127.0.0.1:49152/cb?x=1",
            "myapp:/cb?x=1",
        ] {
            assert!(!registered.is_same(&redirect(other)), "{other}");
        }
        assert!(redirect("http://[::1]/").is_loopback() && registered.is_loopback());
        assert!(!redirect("https://127.0.0.1/cb").is_loopback());
        assert!(!redirect("myapp://127.0.0.1/cb").is_loopback());
    }
}
