//! Compares an answer with what is expected and reports every difference as a readable line.

use serde_json::Value;

use super::expectation::{Expectation, ExpectedBody};
use super::matching::{AccountIds, Matcher};
use super::tokens;
use crate::http::Answer;

/// One thing that differs.
#[derive(Debug)]
pub struct Difference {
    pub part: String,
    pub expected: String,
    pub got: String,
}

/// The context of an answer.
pub struct Comparison<'c> {
    pub now: i64,
    pub secret: &'c str,
    pub ids: &'c mut AccountIds,
    /// The answer is to a refresh: the `iat` of its access token is free.
    pub of_refresh: bool,
    /// The request asked for white space.
    pub indented: bool,
}

impl Comparison<'_> {
    pub fn differences(&mut self, expected: &Expectation, answer: &Answer) -> Vec<Difference> {
        let status = answer.status.as_u16();
        if status != expected.status {
            let got = format!("{status} {}", cut(&answer.text()));
            return vec![difference("status", expected.status.to_string(), got)];
        }
        let mut found = header_differences(expected, answer);
        found.extend(self.body_difference(&expected.body, answer));
        for (path, token) in &expected.tokens {
            found.extend(self.token_difference(path, token, answer));
        }
        found
    }

    fn body_difference(&mut self, expected: &ExpectedBody, answer: &Answer) -> Option<Difference> {
        let text = answer.text();
        match expected {
            ExpectedBody::Free => None,
            ExpectedBody::Empty => {
                (!text.is_empty()).then(|| difference("body", String::new(), cut(&text)))
            }
            ExpectedBody::Json(expected) => {
                let got: Option<Value> = serde_json::from_slice(&answer.body).ok();
                let matcher = Matcher { now: self.now, ids: self.ids };
                let fits = got.as_ref().is_some_and(|got| matcher.fits(expected, got));
                // Compact, with no needless escapes; this also finds a repeated key.
                let compact = got.map(|got| got.to_string());
                let is_compact = self.indented || compact.as_ref() == Some(&text);
                (!fits || !is_compact)
                    .then(|| difference("body", cut(&expected.to_string()), cut(&text)))
            }
        }
    }

    fn token_difference(
        &mut self,
        path: &str,
        expected: &Value,
        answer: &Answer,
    ) -> Option<Difference> {
        let name = path.trim_start_matches("json.");
        let token =
            serde_json::from_slice::<Value>(&answer.body).ok().map(|json| json[name].clone());
        let read = token.as_ref().and_then(Value::as_str).and_then(|token| {
            match expected["claims"].get("user_name") {
                // The server signs these with a key that the tests do not have; that it accepts
                // them shows that they are its own.
                Some(_) => tokens::decode(token),
                None => tokens::read(token, self.secret),
            }
        });
        let Some((header, claims)) = read else {
            return Some(difference(
                path,
                expected.to_string(),
                format!("no token of the server's: {token:?}"),
            ));
        };
        let iat_is_free = self.of_refresh && name == "access";
        let mut matcher = Matcher { now: self.now, ids: self.ids };
        let expected_claims =
            expected["claims"].as_object().expect("recorded claims are an object");
        let fits = matcher.fits(&expected["header"], &header)
            && matcher.claims_fit(expected_claims, &claims, iat_is_free);
        let got = || format!("{header} {} at {}", Value::Object(claims.clone()), self.now);
        (!fits).then(|| difference(path, expected.to_string(), got()))
    }
}

fn header_differences(expected: &Expectation, answer: &Answer) -> Vec<Difference> {
    let differing = expected.headers.iter().filter_map(|(name, expected)| {
        let got = answer.header(name);
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".to_owned());
        (got != *expected).then(|| difference(name, shown(expected), shown(&got)))
    });
    differing.collect()
}

fn difference(part: &str, expected: String, got: String) -> Difference {
    Difference { part: part.to_owned(), expected, got }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(600) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
