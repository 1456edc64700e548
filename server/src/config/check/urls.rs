//! What is wrong with the addresses and links of the settings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use url::{Host, Url};

use crate::identifier::Email;

/// Whether users can be sent there: an e-mail address, or a page whose link hides no credentials.
pub fn is_support(text: &str) -> bool {
    let is_page = Url::parse(text).is_ok_and(|url| {
        url.scheme() == "https" && url.username().is_empty() && url.password().is_none()
    });
    let is_word = !text.chars().any(|c| c.is_control() || c.is_whitespace() || "<>\"".contains(c));
    is_word && (is_page || Email::parse(text).is_some())
}

pub fn is_base_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

/// Whether it is the address of a server, with nothing behind it.
pub fn is_server(text: &str) -> bool {
    is_base_url(text) && Url::parse(text).is_ok_and(|url| url.path() == "/")
}

/// Whether requests to the URL reach a server that listens here, as far as the URL says it itself.
pub fn leads_to(url: &Url, listen: SocketAddr) -> bool {
    let ip = match url.host() {
        Some(Host::Domain("localhost")) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
        Some(Host::Domain(_)) | None => return false,
    };
    let (ip, own) = (ip.to_canonical(), listen.ip().to_canonical());
    let is_this_machine = ip.is_loopback() || ip.is_unspecified();
    let is_here = ip == own
        || (is_this_machine && own.is_unspecified())
        || (ip.is_unspecified() && own.is_loopback());
    is_here && url.port_or_known_default() == Some(listen.port())
}

/// Whether a link may be mailed: not of a scheme that browsers reserve, and without a placeholder
/// in its host.
pub fn is_link(text: &str) -> bool {
    const RESERVED: [&str; 8] =
        ["about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"];
    let authority = text
        .split_once("://")
        .map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    // A link to an app's own scheme has no host: this is the first part of its path.
    let is_web = text.starts_with("http://") || text.starts_with("https://");
    Url::parse(text).is_ok_and(|url| !RESERVED.contains(&url.scheme()))
        && !(is_web && authority.contains('{'))
}

/// Whether the link has an app's own scheme.
pub fn leads_to_an_app(link: &str) -> bool {
    !link.starts_with("http://") && !link.starts_with("https://")
}

/// Whether it is written exactly as browsers write an origin (RFC 6454 section 6.2).
pub fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.origin().ascii_serialization() == text
            // The parser takes it for a host; browsers do not.
            && !text.contains('*')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_leads_to_the_address_that_a_server_listens_on() {
        let leads = |url: &str, listen: &str| {
            leads_to(&url.parse().expect("a URL"), listen.parse().expect("an address"))
        };
        for (url, listen) in [
            ("http://127.0.0.1:8000", "127.0.0.1:8000"),
            ("http://localhost:8000", "127.0.0.1:8000"),
            ("http://localhost", "0.0.0.0:80"),
            ("http://[::1]:8000", "[::]:8000"),
            ("http://0.0.0.0:8000", "127.0.0.1:8000"),
            ("http://10.0.0.5:8000", "10.0.0.5:8000"),
        ] {
            assert!(leads(url, listen), "{url} {listen}");
        }
        for (url, listen) in [
            ("http://127.0.0.1:8001", "127.0.0.1:8000"),
            ("http://10.0.0.5:8000", "0.0.0.0:8000"),
            ("http://django:8000", "0.0.0.0:8000"),
            ("https://localhost", "127.0.0.1:80"),
        ] {
            assert!(!leads(url, listen), "{url} {listen}");
        }
    }
}
