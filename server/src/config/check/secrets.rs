//! What is wrong with the text of a secret.

/// Quotes around a value, as shells and as word processors write them.
const QUOTES: [(char, char); 9] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('“', '”'),
    ('”', '”'),
    ('„', '“'),
    ('‘', '’'),
    ('’', '’'),
    ('«', '»'),
];

/// What an editor, a shell, the clipboard or a container's file of variables has left around a
/// secret or in it. It would silently be part of the secret.
pub fn flaw(secret: &str) -> Option<&'static str> {
    let is_quoted = |(open, close): &(char, char)| {
        secret.strip_prefix(*open).is_some_and(|rest| rest.ends_with(*close))
    };
    let breaks_a_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if secret.starts_with('\u{feff}') {
        Some("begins with a byte order mark; save it without")
    } else if secret.trim() != secret {
        Some("has white space before or after it; remove it")
    } else if QUOTES.iter().any(is_quoted) {
        Some("is in quotes, which would be part of it; remove them")
    } else if secret.contains(['\u{feff}', '\u{200b}', '\u{2060}']) {
        Some("contains an invisible character (U+FEFF, U+200B or U+2060); remove it")
    } else if secret.contains(breaks_a_line) {
        Some("contains a line end or another control character; it must be one line")
    } else {
        None
    }
}

/// What is wrong with a signing secret.
pub fn weakness(secret: &str) -> Option<&'static str> {
    let mut distinct: Vec<u8> = secret.bytes().collect();
    distinct.sort_unstable();
    distinct.dedup();
    const SAMPLES: [&str; 9] = [
        "change-me",
        "changeme",
        "change_me",
        "replace-",
        "replace_",
        "your-secret",
        "your_secret",
        "super-secret",
        "secret-key-here",
    ];
    let lower = secret.to_lowercase();
    if secret.len() < 32 {
        Some("must have at least 32 bytes")
    } else if distinct.len() < 8 || SAMPLES.iter().any(|sample| lower.contains(sample)) {
        Some("is a sample value; make one, for example with: openssl rand -base64 48")
    } else {
        None
    }
}
