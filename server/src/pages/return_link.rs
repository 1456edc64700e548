//! The link back to an app: its registered redirect with the result.

use super::encoded;

/// The redirect with these parameters appended. The registered part is not changed, byte for byte,
/// because apps compare it. It has no fragment, which the settings refuse.
pub fn link_with(redirect: &str, pairs: &[(&str, &str)]) -> String {
    let mut link = redirect.to_owned();
    for (name, value) in pairs {
        match link.split_once('?') {
            None => link.push('?'),
            Some((_, query)) if query.is_empty() || query.ends_with('&') => {}
            Some(_) => link.push('&'),
        }
        link.push_str(&encoded(name));
        link.push('=');
        link.push_str(&encoded(value));
    }
    link
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRS: [(&str, &str); 2] = [("code", "a1"), ("state", "b2")];

    #[test]
    fn parameters_are_appended_to_every_kind_of_redirect() {
        let bare = [
            "myapp:/cb",
            "myapp://cb",
            "myapp:",
            "com.example.app:/oauth",
            "com.example.app:/oauth%2Fx/Ä b",
            "https://app.example.com",
            "HTTPS://App.Example.com:443/a/../cb",
            "http://127.0.0.1:49152/cb",
            "http://[::1]:7/",
        ];
        for redirect in bare {
            assert_eq!(link_with(redirect, &PAIRS), format!("{redirect}?code=a1&state=b2"));
        }
    }

    #[test]
    fn parameters_are_appended_to_existing_ones() {
        let cases = [
            ("https://app.example.com/cb?x=1", "https://app.example.com/cb?x=1&code=a1&state=b2"),
            ("myapp:/cb?a=b+c%20d&a=?", "myapp:/cb?a=b+c%20d&a=?&code=a1&state=b2"),
            ("myapp://cb?", "myapp://cb?code=a1&state=b2"),
            ("myapp://cb?a=b&", "myapp://cb?a=b&code=a1&state=b2"),
        ];
        for (redirect, link) in cases {
            assert_eq!(link_with(redirect, &PAIRS), link);
        }
    }

    #[test]
    fn parameter_value_is_encoded() {
        let link = link_with("myapp:/cb", &[("error", "a b+c&d=e#f?%/\"<я"), ("a&b", "")]);
        assert_eq!(link, "myapp:/cb?error=a%20b%2Bc%26d%3De%23f%3F%25%2F%22%3C%D1%8F&a%26b=");
    }

    #[test]
    fn redirect_is_unchanged_without_parameters() {
        assert_eq!(link_with("myapp:/cb", &[]), "myapp:/cb");
        assert_eq!(link_with("myapp:/cb?", &[]), "myapp:/cb?");
    }
}
