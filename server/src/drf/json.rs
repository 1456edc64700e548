//! JSON as Python's `json` reads it for Django REST framework: numbers as text, lone surrogates,
//! the last of equal keys, and Python's error messages. serde_json refuses lone surrogates and
//! rewrites numbers, so this is a separate reader. Nothing here is `Debug` outside tests: bodies
//! hold passwords.

use memchr::memchr2;

use crate::python;

/// Python stops at its recursion limit and answers 500; a form needs no depth at all.
const MAX_DEPTH: usize = 128;
/// More digits make `int()` refuse in Python 3.11.
const MAX_INT_DIGITS: usize = 4300;

#[cfg_attr(test, derive(Debug, PartialEq))]
pub enum Json {
    Null,
    Bool,
    /// `str()` of the number.
    Int(String),
    /// `str()` of the number: `1.5`, `1e+22`, `inf`.
    Float(String),
    /// In `text` a lone surrogate is replaced by U+FFFD; `surrogate` is the first of them.
    Text {
        text: String,
        surrogate: Option<u32>,
    },
    List,
    /// In the order of the text, with equal keys; the last one counts.
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn is_empty_text(&self) -> bool {
        matches!(self, Json::Text { text, .. } if text.is_empty())
    }

    pub fn python_type(&self) -> &'static str {
        match self {
            Json::Null => "NoneType",
            Json::Bool => "bool",
            Json::Int(_) => "int",
            Json::Float(_) => "float",
            Json::Text { .. } => "str",
            Json::List => "list",
            Json::Object(_) => "dict",
        }
    }
}

/// The error is the text that follows `JSON parse error - `.
pub fn parse(bytes: &[u8]) -> Result<Json, String> {
    let text = decode(bytes)?;
    let mut reader = Reader { text, at: 0, depth: 0 };
    if text.starts_with('\u{feff}') {
        return reader.fail("Unexpected UTF-8 BOM (decode using utf-8-sig)");
    }
    reader.skip_space();
    let value = reader.value()?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => reader.fail("Extra data"),
    }
}

fn decode(bytes: &[u8]) -> Result<&str, String> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    let (valid, rest) = bytes.split_at(error.valid_up_to());
    match error.error_len() {
        Some(length) => Err(undecodable(rest, valid.len(), length)),
        // Python's stream reader keeps an incomplete last character for the next read, which never
        // comes.
        None => Ok(std::str::from_utf8(valid).unwrap_or_default()),
    }
}

fn undecodable(rest: &[u8], start: usize, length: usize) -> String {
    let first = rest.first().copied().unwrap_or_default();
    let place = match length {
        1 => format!("byte {first:#04x} in position {start}"),
        _ => format!("bytes in position {start}-{}", start + length - 1),
    };
    let reason = match first {
        0xc2..=0xf4 => "invalid continuation byte",
        _ => "invalid start byte",
    };
    format!("'utf-8' codec can't decode {place}: {reason}")
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Json, String> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            _ => self.word().unwrap_or_else(|| self.number()),
        }
    }

    fn word(&mut self) -> Option<Result<Json, String>> {
        for (word, value) in [("null", Json::Null), ("true", Json::Bool), ("false", Json::Bool)] {
            if self.skip(word) {
                return Some(Ok(value));
            }
        }
        let constant = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| self.skip(word))?;
        Some(Err(format!("Out of range float values are not JSON compliant: '{constant}'")))
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.at;
        self.skip("-");
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.skip_digits(),
            _ => {
                self.at = start;
                return self.fail("Expecting value");
            }
        }
        let integer = &self.text[start..self.at];
        let fraction = self.skip_fraction();
        if self.skip_exponent() || fraction {
            let value = self.text[start..self.at].parse().unwrap_or(f64::NAN);
            return Ok(Json::Float(python::float(value)));
        }
        int(integer)
    }

    fn skip_fraction(&mut self) -> bool {
        let rest = &self.text.as_bytes()[self.at..];
        let found = matches!(rest, [b'.', b'0'..=b'9', ..]);
        if found {
            self.at += 1;
            self.skip_digits();
        }
        found
    }

    fn skip_exponent(&mut self) -> bool {
        let found = match self.text.as_bytes()[self.at..] {
            [b'e' | b'E', b'0'..=b'9', ..] => 1,
            [b'e' | b'E', b'+' | b'-', b'0'..=b'9', ..] => 2,
            _ => return false,
        };
        self.at += found;
        self.skip_digits();
        true
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json, String>) -> Result<Json, String> {
        if self.depth == MAX_DEPTH {
            return self.fail("Nested too deeply");
        }
        self.depth += 1;
        self.at += 1;
        self.skip_space();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn list(&mut self) -> Result<Json, String> {
        if self.skip("]") {
            return Ok(Json::List);
        }
        loop {
            self.value()?;
            if self.ends_with("]")? {
                return Ok(Json::List);
            }
        }
    }

    fn object(&mut self) -> Result<Json, String> {
        let mut fields = Vec::new();
        if self.skip("}") {
            return Ok(Json::Object(fields));
        }
        loop {
            fields.push((self.key()?, self.value()?));
            if self.ends_with("}")? {
                return Ok(Json::Object(fields));
            }
        }
    }

    fn key(&mut self) -> Result<String, String> {
        let Some(b'"') = self.peek() else {
            return self.fail("Expecting property name enclosed in double quotes");
        };
        let (key, _) = self.characters()?;
        self.skip_space();
        if !self.skip(":") {
            return self.fail("Expecting ':' delimiter");
        }
        self.skip_space();
        Ok(key)
    }

    /// After a member: true at the closing bracket, false after a comma.
    fn ends_with(&mut self, bracket: &str) -> Result<bool, String> {
        self.skip_space();
        if self.skip(bracket) {
            return Ok(true);
        }
        if !self.skip(",") {
            return self.fail("Expecting ',' delimiter");
        }
        self.skip_space();
        Ok(false)
    }

    fn string(&mut self) -> Result<Json, String> {
        let (text, surrogate) = self.characters()?;
        Ok(Json::Text { text, surrogate })
    }

    /// The characters between two quotes, and the first lone surrogate among them.
    fn characters(&mut self) -> Result<(String, Option<u32>), String> {
        let (mut text, mut surrogate) = (String::new(), None);
        let quote = self.at;
        self.at += 1;
        loop {
            text.push_str(self.plain());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') if self.at + 1 < self.text.len() => {
                    let code = self.escape()?;
                    text.push(char::from_u32(code).unwrap_or_else(|| {
                        surrogate.get_or_insert(code);
                        char::REPLACEMENT_CHARACTER
                    }));
                }
                Some(..0x20) => return self.fail("Invalid control character at"),
                _ => return self.fail_at(quote, "Unterminated string starting at"),
            }
        }
        self.at += 1;
        Ok((text, surrogate))
    }

    fn plain(&mut self) -> &str {
        let rest = &self.text[self.at..];
        let end = memchr2(b'"', b'\\', rest.as_bytes()).unwrap_or(rest.len());
        let plain = &rest[..first_control(&rest.as_bytes()[..end]).unwrap_or(end)];
        self.at += plain.len();
        plain
    }

    fn escape(&mut self) -> Result<u32, String> {
        let code = match self.text.as_bytes()[self.at + 1] {
            c @ (b'"' | b'\\' | b'/') => u32::from(c),
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => 0x0a,
            b'r' => 0x0d,
            b't' => 0x09,
            b'u' => return self.unicode_escape(),
            _ => return self.fail("Invalid \\escape"),
        };
        self.at += 2;
        Ok(code)
    }

    fn unicode_escape(&mut self) -> Result<u32, String> {
        let Some(high) = self.hex(self.at) else {
            return self.fail_at(self.at + 1, "Invalid \\uXXXX escape");
        };
        self.at += 6;
        match (high, self.hex(self.at)) {
            (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) => {
                self.at += 6;
                Ok(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
            }
            _ => Ok(high),
        }
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
        // from_str_radix would accept a sign.
        let all_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        all_hex.then(|| u32::from_str_radix(digits, 16).ok())?
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn skip_space(&mut self) {
        self.skip_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
    }

    fn skip_digits(&mut self) {
        self.skip_while(|b| b.is_ascii_digit());
    }

    fn skip_while(&mut self, wanted: fn(&u8) -> bool) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|b| wanted(b)).count();
    }

    fn fail<T>(&self, what: &str) -> Result<T, String> {
        self.fail_at(self.at, what)
    }

    fn fail_at<T>(&self, at: usize, what: &str) -> Result<T, String> {
        let before = &self.text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        let character = before.chars().count();
        Err(format!("{what}: line {line} column {column} (char {character})"))
    }
}

/// The place of the first control character. Usually there is none, which is found sooner by looking
/// at all bytes together than at one after the other.
fn first_control(bytes: &[u8]) -> Option<usize> {
    let is_control = |byte: &u8| *byte < 0x20;
    let has_one = bytes.iter().fold(false, |found, byte| found | is_control(byte));
    has_one.then(|| bytes.iter().position(is_control)).flatten()
}

fn int(text: &str) -> Result<Json, String> {
    let digits = text.trim_start_matches('-').len();
    if digits > MAX_INT_DIGITS {
        return Err(format!(
            "Exceeds the limit ({MAX_INT_DIGITS} digits) for integer string conversion: value has {digits} digits; \
             use sys.set_int_max_str_digits() to increase the limit"
        ));
    }
    Ok(Json::Int(if text == "-0" { "0" } else { text }.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Json {
        Json::Text { text: text.to_owned(), surrogate: None }
    }

    fn error(bytes: &[u8]) -> String {
        parse(bytes).expect_err("refused")
    }

    #[test]
    fn values_keep_the_text_that_python_gives_them() {
        let big = "123456789012345678901234567890";
        let cases = [
            ("null", Json::Null),
            (" true ", Json::Bool),
            ("[1, {\"a\": []}]", Json::List),
            (big, Json::Int(big.to_owned())),
            ("-0", Json::Int("0".to_owned())),
            ("-0.0", Json::Float("-0.0".to_owned())),
            ("1E400", Json::Float("inf".to_owned())),
            ("12.50e1", Json::Float("125.0".to_owned())),
            (r#""\u0041\n\/\ud83d\ude00я""#, text("A\n/😀я")),
            ("{\"a\":null}", Json::Object(vec![("a".to_owned(), Json::Null)])),
        ];
        for (source, value) in cases {
            assert_eq!(parse(source.as_bytes()), Ok(value), "{source}");
        }
    }

    #[test]
    fn lone_surrogate_is_reported_with_its_code_point() {
        let value = parse(br#""a\udfff\ud800b""#).expect("accepted");
        let Json::Text { text, surrogate } = value else { panic!("no text") };
        assert_eq!((text.as_str(), surrogate), ("a\u{fffd}\u{fffd}b", Some(0xdfff)));
    }

    #[test]
    fn errors_read_as_in_python() {
        let cases: [(&[u8], &str); 15] = [
            (b"", "Expecting value: line 1 column 1 (char 0)"),
            (b"{\"a\": ", "Expecting value: line 1 column 7 (char 6)"),
            (
                b"{\"a\": 1,}",
                "Expecting property name enclosed in double quotes: line 1 column 9 (char 8)",
            ),
            ("{\"я\"\n\n 1}".as_bytes(), "Expecting ':' delimiter: line 3 column 2 (char 7)"),
            (b"[1 2]", "Expecting ',' delimiter: line 1 column 4 (char 3)"),
            (b"{} x", "Extra data: line 1 column 4 (char 3)"),
            (b"-", "Expecting value: line 1 column 1 (char 0)"),
            (b"\"a\nb\"", "Invalid control character at: line 1 column 3 (char 2)"),
            (b"[\"ab\\", "Unterminated string starting at: line 1 column 2 (char 1)"),
            (b"\"\\x\"", "Invalid \\escape: line 1 column 2 (char 1)"),
            (b"\"\\u12+4\"", "Invalid \\uXXXX escape: line 1 column 3 (char 2)"),
            (b"[NaN]", "Out of range float values are not JSON compliant: 'NaN'"),
            (
                b"\xef\xbb\xbf{}",
                "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)",
            ),
            (
                b"{\"a\": \"\xff\"}",
                "'utf-8' codec can't decode byte 0xff in position 7: invalid start byte",
            ),
            (
                b"\"\xe2\x82\"",
                "'utf-8' codec can't decode bytes in position 1-2: invalid continuation byte",
            ),
        ];
        for (source, message) in cases {
            assert_eq!(error(source), message);
        }
    }

    #[test]
    fn nesting_and_digits_have_limits() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(parse(nested(128).as_bytes()), Ok(Json::List));
        assert!(error(nested(129).as_bytes()).starts_with("Nested too deeply"));
        assert!(parse("7".repeat(4300).as_bytes()).is_ok());
        assert!(error("7".repeat(4301).as_bytes()).starts_with("Exceeds the limit (4300 digits)"));
    }

    #[test]
    fn incomplete_last_character_is_dropped_as_in_python() {
        assert_eq!(parse(b"{}\xd0"), Ok(Json::Object(vec![])));
    }
}
