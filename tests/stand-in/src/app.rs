//! An app on this machine to come back to, for trying by hand: it shows what it was told.

use hyper::StatusCode;

use crate::answer::{self, Answer};

/// Where it waits.
pub(crate) const PATH: &str = "/app";

pub(crate) fn come_back(query: &str) -> Answer {
    match told(query) {
        Some(text) => answer::text(StatusCode::OK, text),
        None => answer::text(StatusCode::BAD_REQUEST, "neither a code nor an error"),
    }
}

/// The code as a shell takes it; whatever else is in the query, a shell never gets.
fn told(query: &str) -> Option<String> {
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
        let text = told("code=a-B_9&state=s").expect("a code");
        assert!(text.ends_with("\n\nCODE=a-B_9\n"), "{text}");
        let text = told("error=access_denied&state=s").expect("an error");
        assert!(text.ends_with(": access_denied\n"), "{text}");
    }

    #[test]
    fn what_a_shell_would_run_is_not_shown() {
        for query in ["", "code=", "code=a;ls", "code=$(ls)", "code=a%0Als", "error=a%20b"] {
            assert_eq!(told(query), None, "{query}");
        }
    }
}
