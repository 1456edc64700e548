//! A request as a command for a terminal. Its secrets are masked, so they have to be filled in.

use std::fmt::Write;

/// Headers that curl sends itself.
const OF_CURL: [&str; 5] =
    ["accept-encoding", "content-length", "host", "user-agent", "connection"];

pub fn command(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: Option<&str>,
) -> String {
    let mut command = format!("curl -i -X {method} {}", quoted(url));
    // Writing into a String does not fail.
    for (name, value) in headers.iter().filter(|(name, _)| !OF_CURL.contains(&name.as_str())) {
        let _ = write!(command, " \\\n  -H {}", quoted(&format!("{name}: {value}")));
    }
    if let Some(body) = body {
        let _ = write!(command, " \\\n  --data-raw {}", quoted(body));
    }
    command
}

/// In single quotes, in which a shell changes nothing.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_passes_every_text_unchanged_to_curl() {
        let headers = [
            ("accept".to_owned(), "application/json".to_owned()),
            ("host".to_owned(), "127.0.0.1:1".to_owned()),
        ];
        let body = r#"{"name":"$HOME O'Neil `id`"}"#;
        let command = command("POST", "https://id.example.org/a?b=c&d", &headers, Some(body));
        assert_eq!(
            command,
            "curl -i -X POST 'https://id.example.org/a?b=c&d' \\\n  -H 'accept: application/json' \\\n  \
             --data-raw '{\"name\":\"$HOME O'\\''Neil `id`\"}'"
        );
    }
}
