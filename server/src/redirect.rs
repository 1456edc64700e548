//! The links that an app may be returned to: registered by the operator and compared exactly. Only
//! a loopback address may have any port (RFC 8252 section 7.3): the system assigns a free one.

const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];
/// Schemes that browsers reserve.
const RESERVED: [&str; 19] = [
    "about",
    "blob",
    "chrome",
    "chrome-extension",
    "data",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "jar",
    "javascript",
    "mailto",
    "moz-extension",
    "sms",
    "tel",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

/// The registered links.
#[derive(Clone, Debug)]
pub struct Redirects(Vec<String>);

impl Redirects {
    pub fn new(allowed: Vec<String>) -> Self {
        Redirects(allowed)
    }

    pub fn allows(&self, redirect: &str) -> bool {
        self.0.iter().any(|allowed| is_same(allowed, redirect))
    }
}

/// Whether it leads to a loopback address.
pub fn is_loopback(redirect: &str) -> bool {
    behind_port(redirect).is_some()
}

/// Whether a link may be registered: absolute, without extras, not of a reserved scheme, and over
/// the web only encrypted or to a loopback address.
pub fn may_be_registered(redirect: &str) -> bool {
    let is_plain = redirect.bytes().all(|b| b.is_ascii_graphic())
        && !redirect.contains(['#', '*', '\\', '"', '<', '>', '{', '}', '^', '`', '|']);
    let Ok(url) = url::Url::parse(redirect) else { return false };
    // Exactly as a browser writes it, so that it can be read in only one way.
    let is_canonical = url.as_str() == redirect || url.as_str().strip_suffix('/') == Some(redirect);
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    let is_sound = match url.scheme() {
        "https" => url.has_host() && is_canonical,
        "http" => is_loopback(redirect) && is_canonical,
        scheme => !RESERVED.contains(&scheme) && is_canonical,
    };
    is_plain && is_sound && !has_credentials
}

fn is_same(allowed: &str, redirect: &str) -> bool {
    allowed == redirect
        || behind_port(allowed).is_some_and(|allowed| behind_port(redirect) == Some(allowed))
}

/// A loopback link without its port: the host and the part after the port.
fn behind_port(redirect: &str) -> Option<(&str, &str)> {
    let host = LOOPBACK.into_iter().find(|host| redirect.starts_with(host))?;
    let rest = &redirect[host.len()..];
    let rest = match rest.strip_prefix(':') {
        None => rest,
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let port = &rest[..end];
            let is_port =
                port.parse::<u16>().is_ok_and(|number| number.to_string() == port && number > 0);
            is_port.then(|| &rest[end..])?
        }
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_is_allowed_only_if_registered() {
        let redirects = Redirects::new(
            [
                "https://app.example.com/cb?x=1",
                "myapp://cb",
                "com.example.app:/oauth",
                "http://127.0.0.1/cb",
            ]
            .map(str::to_owned)
            .to_vec(),
        );
        for allowed in [
            "https://app.example.com/cb?x=1",
            "myapp://cb",
            "com.example.app:/oauth",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:1/cb",
            "http://127.0.0.1:65535/cb",
        ] {
            assert!(redirects.allows(allowed), "{allowed}");
        }
        for other in [
            "",
            "https://app.example.com/cb",
            "https://app.example.com/cb?x=1&y=2",
            "https://app.example.com/cb?x=1#",
            "https://app.example.com:443/cb?x=1",
            "https://APP.example.com/cb?x=1",
            "https://app.example.com./cb?x=1",
            "https://app.example.com@evil.example/cb?x=1",
            "http://app.example.com/cb?x=1",
            "myapp://cb/",
            "myapp://CB",
            "MYAPP://cb",
            "myapp:cb",
            "myapp://cb?x",
            "com.example.app:/oauth/",
            "com.example.app://oauth",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:080/cb",
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:+80/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:80.evil.example/cb",
            "http://127.0.0.1:8080",
            "http://127.0.0.1:8080/cb/",
            "http://127.0.0.1:8080/cb?x",
            "http://127.0.0.1:8080//cb",
            "http://127.0.0.2:8080/cb",
            "http://localhost:8080/cb",
            "http://[::1]:8080/cb",
            "https://127.0.0.1:8080/cb",
            "HTTP://127.0.0.1:8080/cb",
            " http://127.0.0.1:8080/cb",
        ] {
            assert!(!redirects.allows(other), "{other}");
        }
    }

    #[test]
    fn redirect_that_can_be_read_in_two_ways_is_not_registered() {
        for good in [
            "https://app.example.com/cb",
            "https://app.example.com",
            "https://app.example.com/cb?x=1",
            "myapp://cb",
            "myapp:/cb",
            "com.example.app:/oauth2redirect",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:8000/cb",
            "http://[::1]/",
        ] {
            assert!(may_be_registered(good), "{good}");
        }
        for bad in [
            "",
            "/cb",
            "app.example.com/cb",
            "http://app.example.com/cb",
            "http://localhost/cb",
            "http://127.0.0.1:0/",
            "http://127.0.0.1@evil.example/",
            "http://127.0.0.1/a/../cb",
            "wss://app.example.com/cb",
            "mailto:a@example.com",
            "tel:112",
            "https://app.example.com/cb#x",
            "https://*.example.com/cb",
            "https://app.example.com/*",
            "https://user@app.example.com/cb",
            "https://app.example.com/a/../cb",
            "https://APP.example.com/cb",
            "https://app.example.com:443/cb",
            "https:app.example.com/cb",
            "https://",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "file:///x",
            "intent://x#Intent;end",
            "blob:https://a/b",
            "my app://cb",
            "myapp://cb\n",
            "myapp://я",
        ] {
            assert!(!may_be_registered(bad), "{bad}");
        }
    }
}
