//! An app on this machine for manual tests: a sign-in returns to it, and it shows the query that it
//! received.

use hyper::StatusCode;

use crate::answer::{self, Answer};

/// The path of its redirect.
pub(crate) const PATH: &str = "/app";

pub(crate) fn come_back(query: &str) -> Answer {
    match shell_text(query) {
        Some(text) => answer::text(StatusCode::OK, text),
        None => answer::text(StatusCode::BAD_REQUEST, "neither a code nor an error"),
    }
}

/// The code, quoted for a shell; nothing else of the query is passed to a shell.
fn shell_text(query: &str) -> Option<String> {
    let found = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .filter(|text| is_plain(text))
    };
    let code = |code| {
        format!("Back in the app. Now it redeems this code, within 60 seconds:\n\nCODE={code}\n")
    };
    let error = |error| format!("Back in the app, without a code: {error}\n");
    found("code").map(code).or_else(|| found("error").map(error))
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_shown_as_a_shell_takes_it() {
        let text = shell_text("code=a-B_9&state=s").expect("a code");
        assert!(text.ends_with("\n\nCODE=a-B_9\n"), "{text}");
        let text = shell_text("error=access_denied&state=s").expect("an error");
        assert!(text.ends_with(": access_denied\n"), "{text}");
    }

    #[test]
    fn what_a_shell_would_run_is_not_shown() {
        for query in ["", "code=", "code=a;ls", "code=$(ls)", "code=a%0Als", "error=a%20b"] {
            assert_eq!(shell_text(query), None, "{query}");
        }
    }
}
