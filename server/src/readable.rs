//! Texts that users choose and others read: names of users and devices. Which characters are
//! allowed, and which names a mail program would turn into links.

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;

const MAX_DISPLAY_NAME: usize = 150;

/// A display name: one line, up to 150 characters.
pub fn display_name(text: &str) -> Option<String> {
    line(text, MAX_DISPLAY_NAME)
}

/// A display name from another server's text, without disallowed characters.
pub fn cleaned_name(text: &str) -> Option<String> {
    let clean = text.chars().filter_map(|c| match disturbs_a_line(c) {
        true => c.is_whitespace().then_some(' '),
        false => Some(c),
    });
    let name: String = clean.collect::<String>().trim().chars().take(MAX_DISPLAY_NAME).collect();
    display_name(&name)
}

/// A text that can be shown on one line, trimmed: 1 to `max` characters, at least one of them
/// visible.
pub fn line(text: &str, max: usize) -> Option<String> {
    let text = text.trim();
    let fits = (1..=max).contains(&text.chars().count());
    let is_seen = |c: char| !c.is_whitespace() && !is_invisible(c);
    (fits && text.contains(is_seen) && !text.contains(disturbs_a_line)).then(|| text.to_owned())
}

/// Characters that end a line, control a terminal, or change the direction of the following text.
pub fn disturbs_a_line(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}')
}

/// Invisible characters: Unicode's Default_Ignorable_Code_Point, and those with a blank glyph. In
/// names of some scripts, and in emoji, a few of them are meaningful.
pub fn is_invisible(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || matches!(c, '\u{2800}' | '\u{fffc}' | '\u{1d159}')
}

/// Whether a mail program may turn the text into a link: an address, a host, a phone number.
pub fn may_become_a_link(text: &str) -> bool {
    let has_dot_inside = |word: &str| word.trim_matches(is_dot).contains(is_dot);
    let numbers = text.split_whitespace().filter(|word| !word.contains(char::is_alphabetic));
    let digits = numbers.flat_map(str::chars).filter(|c| c.is_numeric()).count();
    text.contains(['/', ':', '\\', '@'])
        || text.split_whitespace().any(has_dot_inside)
        || digits >= PHONE_DIGITS
}

/// The minimum of digits of a phone number that is turned into a link.
const PHONE_DIGITS: usize = 5;

/// Separators of host labels: IDNA reads all of these as a dot.
pub fn is_dot(c: char) -> bool {
    matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_name_is_one_visible_line() {
        // Joiners of Persian and Indic names and of emoji are kept.
        for name in
            ["Anna", "می\u{200c}خواهم", "क्\u{200d}ष", "👩\u{200d}💻", "❤\u{fe0f}", "O'Brien"]
        {
            assert_eq!(display_name(&format!(" {name}\t")).as_deref(), Some(name));
        }
        let long = "я".repeat(151);
        for text in [
            "",
            " ",
            "\u{200d}",
            "\u{3164}",
            "\u{2800} \u{fffc}",
            "a\nb",
            "a\u{1b}[2Jb",
            "a\u{85}b",
            "a\u{2028}b",
            "a\u{2029}b",
            "a\u{202e}b",
            "a\u{2067}b",
            &long,
        ] {
            assert_eq!(display_name(text), None, "{text:?}");
        }
    }

    #[test]
    fn cleaned_name_keeps_what_can_be_read() {
        for (text, name) in [
            ("\u{7}Anna\0", Some("Anna")),
            ("Anna\nSmith", Some("Anna Smith")),
            ("\u{202e}Anna\u{1b}[31m", Some("Anna[31m")),
            ("\u{2028} \u{200d}\n", None),
        ] {
            assert_eq!(cleaned_name(text).as_deref(), name, "{text:?}");
        }
        let long = format!("{} {}", "a".repeat(149), "b".repeat(50));
        assert_eq!(cleaned_name(&long).as_deref(), Some(&*"a".repeat(149)));
    }

    #[test]
    fn link_like_text_is_recognised() {
        for text in [
            "evil.com",
            "evil\u{3002}com",
            "evil\u{ff0e}com",
            "evil\u{ff61}com",
            "You won, see evil.example",
            "ivan.petrov",
            "evil.com.",
            "win:evil",
            "a@b",
            "//evil",
            "call 8 (800) 55",
            "٨٨٠٠٥",
        ] {
            assert!(may_become_a_link(text), "{text}");
        }
        for text in ["anna", "Anna K.", "A. K. Smith", "...", "anna19840512", "Анна", "propusk-7"]
        {
            assert!(!may_become_a_link(text), "{text}");
        }
    }
}
