//! What is wrong with the addresses and links of the settings.

use url::Url;

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
