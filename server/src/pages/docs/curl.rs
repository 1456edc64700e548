//! A request as a shell command.

use serde_json::Value;

use super::schema::{Document, items, text};

/// The example of an operation, sent to the document's server.
pub fn command(
    document: &Document<'_>,
    path: &str,
    method: &str,
    operation: &Value,
    parameters: &[&Value],
) -> String {
    let credential = credential(document, operation);
    let body = &operation["requestBody"]["content"]["application/json"]["example"];
    let wants_all = credential.is_none() && body.is_null();
    let path = filled(path, parameters, wants_all);
    let url = format!("{}{path}", document.text("/servers/0/url"));
    let mut words = vec![match method {
        "get" => format!("curl {}", quoted(&url)),
        _ => format!("curl -X {} {}", method.to_ascii_uppercase(), quoted(&url)),
    }];
    words.extend(credential.map(|header| format!("-H {}", quoted(&header))));
    if !body.is_null() {
        words.push("-H 'Content-Type: application/json'".to_owned());
        words.push(format!("-d {}", quoted(&body.to_string())));
    }
    words.join(" \\\n  ")
}

/// The path with its parameters, and the query with required parameters or with all of them.
/// Placeholders stay readable.
fn filled(path: &str, parameters: &[&Value], wants_all: bool) -> String {
    let (mut path, mut query) = (path.to_owned(), Vec::new());
    for parameter in parameters {
        let (name, example) = (text(&parameter["name"]), text(&parameter["example"]));
        match text(&parameter["in"]) {
            "path" => path = path.replace(&format!("{{{name}}}"), example),
            "query" if wants_all || parameter["required"] == true => {
                query.push(format!("{name}={example}"));
            }
            _ => {}
        }
    }
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

/// The header of the first security scheme; `None` if no credential is needed.
fn credential(document: &Document<'_>, operation: &Value) -> Option<String> {
    let schemes = &document.0["components"]["securitySchemes"];
    let first = items(&operation["security"]).next()?.as_object()?;
    let scheme = &schemes[first.keys().next()?];
    let value = match (text(&scheme["type"]), text(&scheme["scheme"])) {
        ("http", "bearer") => "Bearer <access token>",
        _ => scheme["x-value"].as_str()?,
    };
    Some(format!("Authorization: {value}"))
}

/// Quotes a word for a POSIX shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_is_quoted_as_one_in_a_shell() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
