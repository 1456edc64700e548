//! The identifiers of an account: an e-mail address, a phone number or a username, each parsed on
//! construction. `key()` is equal for all spellings of one identifier and unique across the three
//! kinds; `shown()` is for display and for sending mail. `Debug` shows the kind only.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use unicode_normalization::UnicodeNormalization;

use crate::readable::{disturbs_a_line, is_invisible};

const MAX_EMAIL: usize = 254;
const MAX_USERNAME: usize = 150;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Email,
    Phone,
    Username,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Email => "email",
            Kind::Phone => "phone",
            Kind::Username => "username",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identifier {
    Email(Email),
    Phone(Phone),
    Username(Username),
}

impl Identifier {
    /// Parses the text as the first of `kinds` that fits.
    pub fn parse_as(text: &str, kinds: &[Kind]) -> Option<Identifier> {
        kinds.iter().find_map(|kind| match kind {
            Kind::Email => Email::parse(text).map(Identifier::Email),
            Kind::Phone => Phone::parse(text).map(Identifier::Phone),
            Kind::Username => Username::parse(text).map(Identifier::Username),
        })
    }

    pub fn kind(&self) -> Kind {
        match self {
            Identifier::Email(_) => Kind::Email,
            Identifier::Phone(_) => Kind::Phone,
            Identifier::Username(_) => Kind::Username,
        }
    }

    pub fn key(&self) -> &str {
        match self {
            Identifier::Email(email) => email.key(),
            Identifier::Phone(phone) => phone.key(),
            Identifier::Username(username) => username.key(),
        }
    }

    pub fn into_email(self) -> Option<Email> {
        match self {
            Identifier::Email(email) => Some(email),
            Identifier::Phone(_) | Identifier::Username(_) => None,
        }
    }

    pub fn shown(&self) -> &str {
        match self {
            Identifier::Email(email) => email.shown(),
            Identifier::Phone(phone) => phone.shown(),
            Identifier::Username(username) => username.shown(),
        }
    }
}

/// An address that Django's `EmailValidator` accepts, without quoted local parts and domains that
/// IDNA cannot map.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    shown: String,
    key: String,
}

impl Email {
    pub fn parse(text: &str) -> Option<Email> {
        let email = Email::read(text)?;
        let fits = text.chars().count() <= MAX_EMAIL && email.key.len() <= MAX_EMAIL;
        fits.then_some(email)
    }

    /// Whether the text has the form of an address, whatever its length: Django refuses the form
    /// from 321 characters on.
    pub fn has_form(text: &str) -> bool {
        match text.chars().count() {
            ..=MAX_EMAIL => Email::parse(text).is_some(),
            length => length <= 320 && Email::read(text).is_some(),
        }
    }

    /// As typed, with the domain lower-cased.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The local part without case, the domain as DNS spells it.
    pub fn key(&self) -> &str {
        &self.key
    }

    fn read(text: &str) -> Option<Email> {
        let (local, domain) = text.rsplit_once('@')?;
        // IDNA silently removes some of these characters: one domain would have many visible
        // spellings.
        if !is_local_part(local) || domain.contains(|c| is_invisible(c) || disturbs_a_line(c)) {
            return None;
        }
        let key_domain = canonical_domain(domain)?;
        // Character by character: lower-casing the whole text would produce a final sigma, which is
        // another domain.
        let lower: String = domain.chars().flat_map(char::to_lowercase).collect();
        Some(Email {
            shown: format!("{local}@{lower}"),
            key: format!("{}@{key_domain}", local.to_ascii_lowercase()),
        })
    }
}

/// An E.164 number: `+` and 10 to 15 digits. No national prefix is guessed.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(String);

impl Phone {
    pub fn parse(text: &str) -> Option<Phone> {
        let text = Phone::without_separators(text);
        let digits = text.strip_prefix('+')?;
        // No country code begins with 0.
        let valid = (10..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        valid.then_some(Phone(text))
    }

    /// The text without separators between digits.
    pub fn without_separators(text: &str) -> String {
        text.replace(is_separator, "")
    }

    pub fn shown(&self) -> &str {
        &self.0
    }

    pub fn key(&self) -> &str {
        &self.0
    }
}

/// The characters that users and their keyboards put between the digits of a phone number: every
/// space, dash and invisible format character of Unicode (White_Space without control characters
/// such as a tab, Dash_Punctuation and Format), the minus sign, brackets and dots.
fn is_separator(c: char) -> bool {
    (c.is_whitespace() && !c.is_control())
        || is_format(c)
        || matches!(
            c,
            '(' | ')' | '.' | '-' | '\u{58a}' | '\u{5be}' | '\u{1400}' | '\u{1806}' | '\u{2010}'
                ..='\u{2015}'
                    | '\u{2212}'
                    | '\u{2e17}'
                    | '\u{2e1a}'
                    | '\u{2e3a}'
                    | '\u{2e3b}'
                    | '\u{2e40}'
                    | '\u{2e5d}'
                    | '\u{301c}'
                    | '\u{3030}'
                    | '\u{30a0}'
                    | '\u{fe31}'
                    | '\u{fe32}'
                    | '\u{fe58}'
                    | '\u{fe63}'
                    | '\u{ff0d}'
                    | '\u{10d6e}'
                    | '\u{10ead}'
        )
}

/// The general category Format (Cf).
fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'
            | '\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}'
    )
}

/// A chosen name. It cannot look like an e-mail address or a phone number, so that it cannot occupy
/// another person's identifier.
#[derive(Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    pub fn parse(text: &str) -> Option<Username> {
        // Normalised before the checks: full-width forms hide an `@`, digits and spaces.
        let text: String = text.nfkc().collect();
        let text = text.trim();
        let valid = (1..=MAX_USERNAME).contains(&text.chars().count())
            && !text.contains(|c: char| c == '@' || disturbs_a_line(c) || is_invisible(c))
            && !looks_like_phone(text)
            && !looks_like_stand_in(text);
        valid.then(|| Username(text.to_owned()))
    }

    pub fn shown(&self) -> &str {
        &self.0
    }

    /// The name itself, case-sensitive.
    pub fn key(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email")
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone")
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Username")
    }
}

/// ASCII atoms between dots. Quoted parts may contain `@`, commas and spaces, which mail programs
/// interpret differently.
fn is_local_part(local: &str) -> bool {
    let is_atom = |b: u8| b.is_ascii_alphanumeric() || b"-!#$%&'*+/=?^_`{}|~".contains(&b);
    local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom))
}

/// The canonical spelling of a domain: lower case, punycode, addresses in their shortest form.
fn canonical_domain(domain: &str) -> Option<String> {
    if domain == "localhost" {
        return Some(domain.to_owned());
    }
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return canonical_literal(literal);
    }
    let ascii = idna::domain_to_ascii(domain).ok()?;
    // Mapping can produce forbidden characters: a full-width comma becomes a comma.
    is_domain(&ascii).then_some(ascii)
}

fn canonical_literal(literal: &str) -> Option<String> {
    let v4 = literal.parse::<Ipv4Addr>().map(|address| format!("[{address}]"));
    v4.or_else(|_| literal.parse::<Ipv6Addr>().map(|address| format!("[{address}]"))).ok()
}

/// Django's rule: the last label may begin with a hyphen, but must have two characters.
fn is_domain(ascii: &str) -> bool {
    let Some((labels, last)) = ascii.rsplit_once('.') else {
        return false;
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.ends_with('-')
    };
    last.len() > 1
        && is_label(last)
        && labels.split('.').all(|label| is_label(label) && !label.starts_with('-'))
}

/// The name that APIs show for an account without an identifier; no username has this form.
pub fn stand_in(account_id: i64) -> String {
    format!("{STAND_IN}-{account_id}")
}

/// The account of a stand-in name.
pub fn account_of_stand_in(text: &str) -> Option<i64> {
    let id = text.strip_prefix(STAND_IN)?.strip_prefix('-')?.parse().ok()?;
    (stand_in(id) == text).then_some(id)
}

const STAND_IN: &str = "propusk";

/// In any case, with any dash and digits of any script.
fn looks_like_stand_in(text: &str) -> bool {
    let is_dash = |c| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    text.split_once(is_dash).is_some_and(|(word, number)| {
        word.eq_ignore_ascii_case(STAND_IN) && number.chars().all(char::is_numeric)
    })
}

/// Digits of any script: a name that looks like a phone number must not be a username.
fn looks_like_phone(text: &str) -> bool {
    let text = Phone::without_separators(text);
    let digits = text.strip_prefix('+').unwrap_or(&text);
    digits.chars().count() >= 7 && digits.chars().all(char::is_numeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Option<(String, String)> {
        Email::parse(text).map(|email| (email.shown().to_owned(), email.key().to_owned()))
    }

    #[test]
    fn email_is_shown_as_typed_and_has_a_canonical_key() {
        let cases = [
            ("Anna@Example.COM", "Anna@example.com", "anna@example.com"),
            ("a+Tag@example.com", "a+Tag@example.com", "a+tag@example.com"),
            ("a@ПРИМЕР.рф", "a@пример.рф", "a@xn--e1afmkfd.xn--p1ai"),
            ("a@XN--E1AFMKFD.xn--p1ai", "a@xn--e1afmkfd.xn--p1ai", "a@xn--e1afmkfd.xn--p1ai"),
            ("a@ｅxample。com", "a@ｅxample。com", "a@example.com"),
            ("a@ΟΔΟΣ.gr", "a@οδοσ.gr", "a@xn--pxavbq.gr"),
            ("a@localhost", "a@localhost", "a@localhost"),
            ("a@[0:0::1]", "a@[0:0::1]", "a@[::1]"),
            ("a@[::FFFF:7F00:1]", "a@[::ffff:7f00:1]", "a@[::ffff:127.0.0.1]"),
        ];
        for (text, shown, key) in cases {
            assert_eq!(email(text), Some((shown.to_owned(), key.to_owned())), "{text}");
        }
    }

    #[test]
    fn email_of_another_form_is_refused() {
        let cases = [
            "",
            "a",
            "@b.com",
            "a@",
            "a@b",
            "a@b.c",
            "a@b.com.",
            "a@.com",
            "a@-b.com",
            "a@b-.com",
            "a@b_c.com",
            "a@b.co-",
            "a.@b.com",
            ".a@b.com",
            "a..b@c.com",
            "a b@c.com",
            "a@b@c.com",
            "\"a\"@b.com",
            "я@b.com",
            "\u{212a}@b.com",
            "a@LOCALHOST",
            "a@127.0.0.1",
            "a@[127.0.0.01]",
            "a@[1]",
            "a@b，c.com",
            "a@b\u{a0}c.com",
            "a@b.com\n",
            " a@b.com",
            "a@xn--zzzzzz9.com",
            "a@ex\u{ad}ample.com",
            "a@ex\u{34f}ample.com",
            "a@ex\u{200b}ample.com",
            "a@ex\u{200d}ample.com",
            "a@ex\u{2060}ample.com",
            "a@ex\u{3164}ample.com",
            "a@ex\u{fe0f}ample.com",
            "a@ex\u{feff}ample.com",
            "a@\u{202e}example.com",
        ];
        for text in cases {
            assert_eq!(email(text), None, "{text:?}");
        }
    }

    #[test]
    fn email_has_at_most_254_characters_in_both_spellings() {
        let of_length = |n: usize| format!("{}@example.com", "a".repeat(n - 12));
        assert!(Email::parse(&of_length(254)).is_some());
        assert!(Email::parse(&of_length(255)).is_none());
        assert!(Email::has_form(&of_length(320)));
        assert!(!Email::has_form(&of_length(321)));
        assert!(!Email::has_form(&format!("{}@яяя.рф", "a".repeat(240))));
    }

    #[test]
    fn phone_allows_any_space_dash_or_format_character_between_its_digits() {
        for separator in [
            " ",
            "\u{a0}",
            "\u{2009}",
            "\u{202f}",
            "\u{205f}",
            "\u{3000}",
            "-",
            "\u{2010}",
            "\u{2011}",
            "\u{2013}",
            "\u{2014}",
            "\u{2212}",
            "\u{fe63}",
            "\u{ff0d}",
            "\u{ad}",
            "\u{200b}",
            "\u{200e}",
            "\u{202a}",
            "\u{202c}",
            "\u{2060}",
            "\u{2066}",
            "\u{feff}",
            "\u{e0020}",
            "(",
            ")",
            ".",
        ] {
            let text = format!("{separator}+49{separator}170{separator}1234567{separator}");
            let phone = Phone::parse(&text);
            assert_eq!(phone.as_ref().map(Phone::key), Some("+491701234567"), "{separator:?}");
        }
        for other in ["/", "x", "_", "\t", "\n", "\u{85}", "\u{301}", "\u{4e00}"] {
            assert_eq!(Phone::parse(&format!("+49{other}1701234567")), None, "{other:?}");
        }
    }

    #[test]
    fn phone_is_its_plus_and_digits() {
        let parsed = |text: &str| Phone::parse(text).map(|phone| phone.key().to_owned());
        assert_eq!(parsed("+7 (123)\u{a0}456-78.90").as_deref(), Some("+71234567890"));
        assert!(parsed("+123456789012345").is_some());
        for text in [
            "71234567890",
            "+123456789",
            "+1234567890123456",
            "+0123456789012",
            "+٧١٢٣٤٥٦٧٨٩٠",
            "++1234567890",
            "+12345\t67890",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn username_is_normalised_and_keeps_its_case() {
        let parsed = |text: &str| Username::parse(text).map(|name| name.key().to_owned());
        for (text, key) in
            [(" Ａnna ", "Anna"), ("ﬁx", "fix"), ("123456", "123456"), ("Анна К.", "Анна К.")]
        {
            assert_eq!(parsed(text).as_deref(), Some(key));
        }
        assert!(parsed(&"я".repeat(150)).is_some());
        let long = "я".repeat(151);
        for text in [
            "",
            " ",
            "a@b",
            "a＠b",
            "a\0b",
            "1234567",
            "+1 (23) 45-67",
            "１２３４５６７",
            "٧١٢٣٤٥٦",
            "a\u{2028}b",
            "a\u{2029}b",
            "a\u{fffc}b",
            "a\u{2800}b",
            "\u{3164}",
            "a\u{115f}b",
            "a\u{34f}b",
            "a\u{17b4}b",
            "a\u{fe0f}",
            "a\u{1d173}b",
            "a\u{e0100}b",
            "propusk-7",
            "Propusk-٧",
            "propusk\u{2011}7",
            "propusk-",
            &long,
        ] {
            assert_eq!(parsed(text), None, "{text:?}");
        }
        assert!(parsed("propusk").is_some() && parsed("propusk-fan").is_some());
    }

    #[test]
    fn stand_in_names_its_account_and_nothing_else_does() {
        assert_eq!(account_of_stand_in(&stand_in(7)), Some(7));
        for text in ["propusk-07", "Propusk-7", "propusk-+7", "propusk-x", "7", "propusk7"] {
            assert_eq!(account_of_stand_in(text), None, "{text}");
        }
    }

    #[test]
    fn kinds_are_tried_in_the_given_order() {
        let kind = |text, kinds: &[Kind]| Identifier::parse_as(text, kinds).map(|id| id.kind());
        let all = [Kind::Email, Kind::Phone, Kind::Username];
        assert_eq!(kind("a@b.com", &all), Some(Kind::Email));
        assert_eq!(kind("+71234567890", &all), Some(Kind::Phone));
        assert_eq!(kind("anna", &all), Some(Kind::Username));
        assert_eq!(kind("anna", &[Kind::Email, Kind::Phone]), None);
    }

    #[test]
    fn debug_shows_no_identifier() {
        let shown = |text| {
            format!("{:?}", Identifier::parse_as(text, &[Kind::Email, Kind::Phone, Kind::Username]))
        };
        assert_eq!(shown("anna@example.com"), "Some(Email(Email))");
        assert_eq!(shown("+71234567890"), "Some(Phone(Phone))");
        assert_eq!(shown("anna"), "Some(Username(Username))");
    }

    #[test]
    fn identifier_of_random_text_is_harmless_and_has_a_stable_key() {
        let pieces: Vec<&str> = "a B 1 @ . - _ + , \" [ ] : ( ) ; < > \\ / % xn-- com .com @b.co 我 ß ı İ K ſ Σ ς ё é \
            e\u{301} \u{ad} \u{200b} \u{200d} \u{202e} \u{fe0f} ＠ ， 。 ．． \u{3000} \u{a0} \0 \r \n \x1f \x7f \u{85} ٧ １ Ⅷ ½ 😀"
            .split(' ')
            .chain([" "])
            .collect();
        let mut random = 1_u64;
        let mut next = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % below
        };
        let mut accepted = 0;
        for _ in 0..20_000 {
            let text: String = (0..1 + next(6)).map(|_| pieces[next(pieces.len())]).collect();
            for text in [&text, &format!("a@{text}"), &format!("a@{text}.com")] {
                accepted += usize::from(check_random(text));
            }
        }
        assert!(accepted > 2_000, "{accepted}");
    }

    fn check_random(text: &str) -> bool {
        let kinds = [Kind::Email, Kind::Phone, Kind::Username];
        let Some(id) = Identifier::parse_as(text, &kinds) else {
            return false;
        };
        let again = Identifier::parse_as(id.key(), &kinds).expect("a key is a name");
        assert_eq!((again.kind(), again.key()), (id.kind(), id.key()), "{text:?}");
        assert!(!id.shown().contains(char::is_control), "{text:?}");
        if id.kind() == Kind::Email {
            for text in [id.shown(), id.key()] {
                assert_eq!(text.matches('@').count(), 1, "{text:?}");
                assert!(!text.contains([',', ' ']), "{text:?}");
            }
            let shown = Email::parse(id.shown()).expect("the shown form is an address");
            assert_eq!(shown.key(), id.key(), "{text:?}");
        }
        true
    }
}
