//! Whether JSON is as expected: key order counts, placeholders match values that change from run to
//! run.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// How far a clock may be off, in seconds.
const NEAR: i64 = 3;
const PARSE_ERROR: &str = "JSON parse error - ";

/// Which account id corresponds to which recorded one. Refused registrations shift the ids, so only
/// identity is compared: the same account has the same id, another account another id.
#[derive(Clone, Debug, Default)]
pub struct AccountIds {
    ours_by_recorded: HashMap<i64, i64>,
}

/// The values against which placeholders are checked.
pub struct Matcher<'m> {
    pub now: i64,
    pub ids: &'m mut AccountIds,
}

impl AccountIds {
    fn agree(&mut self, recorded: i64, ours: i64) -> bool {
        if let Some(known) = self.ours_by_recorded.get(&recorded) {
            return *known == ours;
        }
        let is_new = self.ours_by_recorded.values().all(|known| *known != ours);
        if is_new {
            self.ours_by_recorded.insert(recorded, ours);
        }
        is_new
    }
}

impl Matcher<'_> {
    pub fn fits(&self, expected: &Value, got: &Value) -> bool {
        match (expected, got) {
            (Value::Object(expected), Value::Object(got)) => {
                let keys = expected.keys().eq(got.keys());
                keys && expected.values().zip(got.values()).all(|(e, g)| self.fits(e, g))
            }
            (Value::Array(expected), Value::Array(got)) => {
                expected.len() == got.len()
                    && expected.iter().zip(got).all(|(e, g)| self.fits(e, g))
            }
            (Value::String(expected), got) => self.text_fits(expected, got),
            (expected, got) => expected == got,
        }
    }

    /// The claims of a token. `iat_is_free`: the access token comes from a refresh.
    pub fn claims_fit(
        &mut self,
        expected: &Map<String, Value>,
        got: &Map<String, Value>,
        iat_is_free: bool,
    ) -> bool {
        let keys = expected.keys().eq(got.keys());
        keys && expected.iter().zip(got.values()).all(|((name, expected), got)| {
            match name.as_str() {
                "user_id" => self.account_fits(expected, got),
                "iat" if iat_is_free => got.is_i64(),
                _ => self.fits(expected, got),
            }
        })
    }

    /// Numbers everywhere: the libraries write text only in one of the APIs, or repeat a client's
    /// text.
    fn account_fits(&mut self, expected: &Value, got: &Value) -> bool {
        let same_type = expected.is_string() == got.is_string();
        match (id(expected), id(got)) {
            (Some(recorded), Some(ours)) => {
                (got.is_i64() || same_type) && self.ids.agree(recorded, ours)
            }
            _ => expected == got,
        }
    }

    fn text_fits(&self, expected: &str, got: &Value) -> bool {
        if let Some(kind) = expected.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
            return self.placeholder_fits(kind, got);
        }
        let Some(got) = got.as_str() else { return false };
        if expected.starts_with(PARSE_ERROR) {
            return got.starts_with(PARSE_ERROR);
        }
        match expected.split_once("<host>") {
            Some((before, after)) => {
                let host = got.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                host.is_some_and(|host| !host.is_empty() && !host.contains('/'))
            }
            None => expected == got,
        }
    }

    fn placeholder_fits(&self, kind: &str, got: &Value) -> bool {
        match kind {
            "int" => got.is_i64(),
            "int:earlier" => got.as_i64().is_some_and(|got| got <= self.now + NEAR),
            "jwt" => got
                .as_str()
                .is_some_and(|got| got.split('.').filter(|part| !part.is_empty()).count() == 3),
            "hex32" => got.as_str().is_some_and(|got| consists_of(got, 32, is_lower_hex)),
            "hex40" => got.as_str().is_some_and(|got| consists_of(got, 40, is_lower_hex)),
            "alnum30" => {
                got.as_str().is_some_and(|got| consists_of(got, 30, |c| c.is_ascii_alphanumeric()))
            }
            "float" => got.is_f64(),
            "uuid4" => got.as_str().is_some_and(is_uuid4),
            _ if kind.starts_with("int:now") => self.time_fits(&kind["int:now".len()..], got),
            _ if kind.starts_with("pbkdf2_sha256$") => {
                got.as_str().is_some_and(|got| is_django_hash(kind, got))
            }
            _ => panic!("the placeholder <{kind}> is not known here"),
        }
    }

    fn time_fits(&self, offset: &str, got: &Value) -> bool {
        let offset: i64 =
            if offset.is_empty() { 0 } else { offset.parse().expect("an offset in seconds") };
        got.as_i64().is_some_and(|got| got.abs_diff(self.now + offset) <= NEAR.unsigned_abs())
    }
}

fn id(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn consists_of(text: &str, length: usize, allowed: fn(char) -> bool) -> bool {
    text.len() == length && text.chars().all(allowed)
}

fn is_lower_hex(c: char) -> bool {
    matches!(c, '0'..='9' | 'a'..='f')
}

fn is_uuid4(got: &str) -> bool {
    let parts: Vec<_> = got.split('-').collect();
    let lengths = parts.iter().map(|part| part.len());
    lengths.eq([8, 4, 4, 4, 12])
        && parts[2].starts_with('4')
        && parts[3].starts_with(['8', '9', 'a', 'b'])
        && parts.concat().chars().all(is_lower_hex)
}

/// `kind` is `pbkdf2_sha256$<rounds>$salt22$b64_44`.
fn is_django_hash(kind: &str, got: &str) -> bool {
    let expected: Vec<_> = kind.split('$').collect();
    let got: Vec<_> = got.split('$').collect();
    let [scheme, rounds, salt, hash] = got[..] else { return false };
    let is_base64 =
        |hash: &str| consists_of(hash, 43, |c| c.is_ascii_alphanumeric() || "+/".contains(c));
    expected[..2] == [scheme, rounds]
        && consists_of(salt, 22, |c| c.is_ascii_alphanumeric())
        && hash.strip_suffix('=').is_some_and(is_base64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(expected: &Value, got: &Value) -> bool {
        Matcher { now: 1_000, ids: &mut AccountIds::default() }.fits(expected, got)
    }

    #[test]
    fn another_key_order_or_a_further_key_does_not_fit() {
        let expected = json!({"a": 1, "b": ["x"]});
        assert!(fits(&expected, &json!({"a": 1, "b": ["x"]})));
        for other in [
            json!({"b": ["x"], "a": 1}),
            json!({"a": 1, "b": ["x"], "c": 1}),
            json!({"a": 1}),
            json!({"a": 1, "b": []}),
        ] {
            assert!(!fits(&expected, &other), "{other}");
        }
    }

    #[test]
    fn a_placeholder_fits_only_its_kind() {
        let hash = "pbkdf2_sha256$720000$7mIMfGeEUYHZVAZrO6vkOh$Jx/pM7ZBYzrLF3AuUAFRztl30BvVnOeh5xoazC8Ir+0=";
        for (placeholder, good, bad) in [
            ("<int>", json!(7), json!("7")),
            ("<int:now+300>", json!(1_303), json!(1_304)),
            ("<int:now-3600>", json!(-2_603), json!(-2_604)),
            ("<int:earlier>", json!(400), json!(1_004)),
            (
                "<hex32>",
                json!("0123456789abcdef0123456789abcdef"),
                json!("0123456789ABCDEF0123456789abcdef"),
            ),
            ("<hex40>", json!("0123456789".repeat(4)), json!("0123456789".repeat(3))),
            ("<alnum30>", json!("aB3".repeat(10)), json!("aB-".repeat(10))),
            ("<float>", json!(35_999.5), json!(36_000)),
            (
                "<uuid4>",
                json!("c0138461-f9b5-4255-8925-85c26631a8cf"),
                json!("c0138461-f9b5-1255-8925-85c26631a8cf"),
            ),
            ("<jwt>", json!("a.b.c"), json!("a.b.")),
            ("http://<host>/x", json!("http://h:1/x"), json!("http://h/y/x")),
            (
                "<pbkdf2_sha256$720000$salt22$b64_44>",
                json!(hash),
                json!(hash.replace("720000", "1")),
            ),
        ] {
            assert!(fits(&json!(placeholder), &good), "{placeholder}");
            assert!(!fits(&json!(placeholder), &bad), "{placeholder}");
        }
    }

    #[test]
    fn only_the_reason_of_a_parse_error_is_free() {
        assert!(fits(&json!("JSON parse error - a"), &json!("JSON parse error - b")));
        assert!(!fits(&json!("JSON parse error - a"), &json!("JSON error - a")));
    }

    #[test]
    fn account_ids_may_shift_but_not_change_or_coincide() {
        let mut ids = AccountIds::default();
        let mut agree = |recorded: Value, ours: Value| {
            Matcher { now: 0, ids: &mut ids }.account_fits(&recorded, &ours)
        };
        assert!(agree(json!(13), json!(12)));
        assert!(agree(json!("13"), json!(12)));
        assert!(!agree(json!(13), json!("12")));
        assert!(!agree(json!(13), json!(14)));
        assert!(!agree(json!(14), json!(12)));
        assert!(agree(json!("abc"), json!("abc")));
    }
}
