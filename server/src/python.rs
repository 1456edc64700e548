//! Python's `str` and `float` rules for white space, digits, words and text, where Rust's standard
//! library differs. Answers of the libraries depend on these rules: what is trimmed, what is a
//! number, how `1e22` is written.

use unicode_normalization::char::is_combining_mark;

/// `str.strip()`: in addition to White_Space, Python removes the four separators U+001C..U+001F.
pub fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\x1c'..='\x1f'))
}

/// `str.isdigit()` of one character: also superscripts and circled digits, but no fractions.
pub fn is_digit(c: char) -> bool {
    DIGIT_EDGES.partition_point(|&edge| edge <= u32::from(c)) % 2 == 1
}

/// `\w` of `re`: letters, numbers and `_`. Unicode counts vowel signs and circled letters as
/// alphabetic, Python does not.
pub fn is_word(c: char) -> bool {
    let circled = matches!(c, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}');
    c == '_' || (c.is_alphanumeric() && !is_combining_mark(c) && !circled)
}

/// `repr(float)`, which is also its `str()`: the shortest digits that read back as the same number.
pub fn float(value: f64) -> String {
    let shortest = format!("{value:?}");
    let even = rounded_to_even(value, &shortest);
    let text = if even.parse() == Ok(value) { even } else { shortest };
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

/// As many digits as the shortest form has. Between two equally near values Python takes the even
/// one, `{:?}` the greater.
fn rounded_to_even(value: f64, shortest: &str) -> String {
    let (digits, exponent) = shortest.split_once('e').unwrap_or((shortest, ""));
    let decimals = digits.split_once('.').map_or(0, |(_, part)| part.len());
    match exponent {
        "" => format!("{value:.decimals$}"),
        _ => format!("{value:.decimals$e}"),
    }
}

/// Where runs of digits begin and end (exclusive), alternately; from the Unicode 14 tables of
/// Python 3.11.
const DIGIT_EDGES: [u32; 162] = [
    0x30, 0x3a, 0xb2, 0xb4, 0xb9, 0xba, 0x660, 0x66a, 0x6f0, 0x6fa, 0x7c0, 0x7ca, 0x966, 0x970,
    0x9e6, 0x9f0, 0xa66, 0xa70, 0xae6, 0xaf0, 0xb66, 0xb70, 0xbe6, 0xbf0, 0xc66, 0xc70, 0xce6,
    0xcf0, 0xd66, 0xd70, 0xde6, 0xdf0, 0xe50, 0xe5a, 0xed0, 0xeda, 0xf20, 0xf2a, 0x1040, 0x104a,
    0x1090, 0x109a, 0x1369, 0x1372, 0x17e0, 0x17ea, 0x1810, 0x181a, 0x1946, 0x1950, 0x19d0, 0x19db,
    0x1a80, 0x1a8a, 0x1a90, 0x1a9a, 0x1b50, 0x1b5a, 0x1bb0, 0x1bba, 0x1c40, 0x1c4a, 0x1c50, 0x1c5a,
    0x2070, 0x2071, 0x2074, 0x207a, 0x2080, 0x208a, 0x2460, 0x2469, 0x2474, 0x247d, 0x2488, 0x2491,
    0x24ea, 0x24eb, 0x24f5, 0x24fe, 0x24ff, 0x2500, 0x2776, 0x277f, 0x2780, 0x2789, 0x278a, 0x2793,
    0xa620, 0xa62a, 0xa8d0, 0xa8da, 0xa900, 0xa90a, 0xa9d0, 0xa9da, 0xa9f0, 0xa9fa, 0xaa50, 0xaa5a,
    0xabf0, 0xabfa, 0xff10, 0xff1a, 0x104a0, 0x104aa, 0x10a40, 0x10a44, 0x10d30, 0x10d3a, 0x10e60,
    0x10e69, 0x11052, 0x1105b, 0x11066, 0x11070, 0x110f0, 0x110fa, 0x11136, 0x11140, 0x111d0,
    0x111da, 0x112f0, 0x112fa, 0x11450, 0x1145a, 0x114d0, 0x114da, 0x11650, 0x1165a, 0x116c0,
    0x116ca, 0x11730, 0x1173a, 0x118e0, 0x118ea, 0x11950, 0x1195a, 0x11c50, 0x11c5a, 0x11d50,
    0x11d5a, 0x11da0, 0x11daa, 0x16a60, 0x16a6a, 0x16ac0, 0x16aca, 0x16b50, 0x16b5a, 0x1d7ce,
    0x1d800, 0x1e140, 0x1e14a, 0x1e2f0, 0x1e2fa, 0x1e950, 0x1e95a, 0x1f100, 0x1f10b, 0x1fbf0,
    0x1fbfa,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_pythons() {
        assert_eq!(strip("\u{a0}\t a b\u{1c}\u{3000}\n"), "a b");
        assert_eq!(strip("\u{200b}a\u{feff}"), "\u{200b}a\u{feff}");
    }

    #[test]
    fn digits_are_those_of_every_script_but_not_fractions() {
        assert!("09٣²①𝟘９".chars().all(is_digit));
        assert!("/:½Ⅷ一a".chars().all(|c| !is_digit(c)));
    }

    #[test]
    fn words_end_at_vowel_signs_and_circled_letters() {
        assert!("aЖ一_9½".chars().all(is_word));
        assert!(" -.@Ⓐ\u{93e}\u{301}".chars().all(|c| !is_word(c)));
    }

    #[test]
    fn floats_read_as_in_python() {
        let cases = [
            (1.5, "1.5"),
            (1e22, "1e+22"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (4_888_713_203_069_130.0 / 8.0, "611089150383641.2"),
            (-0.0, "-0.0"),
            (1.5e300, "1.5e+300"),
            (f64::INFINITY, "inf"),
            (2f64.powi(-25), "2.9802322387695312e-08"),
            (2f64.powi(-1017), "7.120236347223045e-307"),
        ];
        for (value, text) in cases {
            assert_eq!(float(value), text);
        }
    }
}
