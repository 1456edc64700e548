//! Django's four password validators with their default settings: not similar to the user's other
//! data, at least eight characters, not common, not only digits. The list of common passwords is
//! Django's (see `common_passwords.LICENSE.md`).

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use crate::python;

const MAX_SIMILARITY: f64 = 0.7;
pub const MIN_LENGTH: usize = 8;

/// Lower case, sorted by bytes, one a line.
static COMMON: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// A problem that a validator reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding<'a> {
    /// Similar to the attribute with this verbose name.
    TooSimilar(&'a str),
    TooShort,
    TooCommon,
    Numeric,
}

/// The findings of all validators in Django's order, for the password in Unicode's form C, as it is
/// stored. `attributes` are verbose names and values, in the order `username`, `first_name`,
/// `last_name`, `email`.
pub fn check<'a>(password: &str, attributes: &[(&'a str, &str)]) -> Vec<Finding<'a>> {
    let password: String = password.nfc().collect();
    let lower = password.to_lowercase();
    let similar = attributes.iter().find(|(_, value)| is_similar(&lower, value));
    let common = COMMON.binary_search(&python::strip(&lower)).is_ok();
    let numeric = !password.is_empty() && password.chars().all(python::is_digit);
    let findings = [
        similar.map(|(name, _)| Finding::TooSimilar(name)),
        (password.chars().count() < MIN_LENGTH).then_some(Finding::TooShort),
        common.then_some(Finding::TooCommon),
        numeric.then_some(Finding::Numeric),
    ];
    findings.into_iter().flatten().collect()
}

/// Compares the password with the whole value and with each of its words.
fn is_similar(lower_password: &str, value: &str) -> bool {
    let value = value.nfc().collect::<String>().to_lowercase();
    let password = sorted(lower_password);
    let words = value.split(|c| !python::is_word(c));
    !value.is_empty()
        && words.chain([value.as_str()]).map(sorted).any(|part| {
            !is_much_longer(password.len(), part.len())
                && quick_ratio(&password, &part) >= MAX_SIMILARITY
        })
}

/// Django's shortcut: a long password cannot be similar to a much shorter part.
fn is_much_longer(password: usize, part: usize) -> bool {
    password >= 10 * part && (part as f64) < MAX_SIMILARITY / 2.0 * password as f64
}

/// `difflib.SequenceMatcher.quick_ratio`: the share of common characters, at any position.
fn quick_ratio(a: &[char], b: &[char]) -> f64 {
    let (mut matches, mut rest) = (0, b);
    for c in a {
        rest = &rest[rest.partition_point(|other| other < c)..];
        if let Some(tail) = rest.strip_prefix(&[*c]) {
            rest = tail;
            matches += 1;
        }
    }
    2.0 * matches as f64 / (a.len() + b.len()) as f64
}

fn sorted(text: &str) -> Vec<char> {
    let mut characters: Vec<char> = text.chars().collect();
    characters.sort_unstable();
    characters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_in_the_order_of_the_validators() {
        use Finding::{Numeric, TooCommon, TooShort};
        let cases: [(&str, &[Finding<'_>]); 9] = [
            ("Str0ng-pass-77", &[]),
            ("12345", &[TooShort, TooCommon, Numeric]),
            ("1.5", &[TooShort]),
            ("PaSsWoRd", &[TooCommon]),
            ("пароль", &[TooShort, TooCommon]),
            ("x", &[TooShort, TooCommon]),
            ("😀😀😀😀😀😀😀😀", &[]),
            ("١٢٣٤٥٦٧٨٩٠", &[Numeric]),
            ("", &[TooShort]),
        ];
        for (password, findings) in cases {
            assert_eq!(check(password, &[]), findings, "{password}");
        }
    }

    #[test]
    fn similar_password_reports_the_first_such_attribute() {
        let attributes = [("username", "other"), ("email address", "Anna.Smith@Example.com")];
        let similar = Finding::TooSimilar("email address");
        for password in ["anna.smith@example.com", "SMITHa", "elpmaxe.cOm", "Mr-Smith-1999"] {
            let similarity = check(password, &attributes).first().copied();
            let expected = (password != "Mr-Smith-1999").then_some(similar);
            assert_eq!(similarity, expected, "{password}");
        }
        let both = [("a", "anna-smith"), ("b", "anna-smith")];
        assert_eq!(check("anna-smith", &both), [Finding::TooSimilar("a")]);
        assert!(check("anna-smith", &[("a", "")]).is_empty());
    }

    #[test]
    fn password_is_checked_in_the_unicode_form_that_is_stored() {
        let decomposed = "\u{438}\u{306}".repeat(4);
        assert_eq!(check(&decomposed, &[]), [Finding::TooShort]);
        assert!(check(&decomposed.repeat(2), &[]).is_empty());
        let value = "\u{439}\u{e4}\u{439}\u{e4}\u{439}\u{e4}\u{439}\u{e4}";
        let password = "\u{438}\u{306}a\u{308}".repeat(4);
        assert_eq!(check(&password, &[("name", value)]), [Finding::TooSimilar("name")]);
    }

    #[test]
    fn similarity_of_a_long_password_and_a_short_part_is_not_computed() {
        assert!(is_much_longer(10, 1) && !is_much_longer(9, 1));
        assert!(is_much_longer(1, 0) && !is_much_longer(0, 0));
    }

    #[test]
    fn common_passwords_are_sorted_and_distinct() {
        assert!(COMMON.is_sorted_by(|a, b| a < b));
        assert_eq!(COMMON.len(), 19_729);
    }
}
