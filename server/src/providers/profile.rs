//! A provider's data about a user, read strictly: a field of the wrong type counts as missing, and
//! only `true` is true.

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ProviderError;
use super::outbound::Reply;
use crate::identifier::Phone;
use crate::readable::{cleaned_name, disturbs_a_line};

const MAX_SUBJECT: usize = 255;
const MAX_URL: usize = 2_048;
const MAX_EMAIL: usize = 320;

/// A user's profile at a provider. `Debug` shows only the provider.
#[derive(Clone, Deserialize, Serialize)]
pub struct Profile {
    pub provider: String,
    /// The provider's permanent id of the user.
    pub subject: String,
    /// As it was sent; it may not be a valid address.
    pub email: Option<String>,
    /// Whether the provider is trusted that the user has this address.
    pub email_verified: bool,
    pub name: Option<String>,
    pub avatar_url: Option<String>,
    pub phone: Option<String>,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Profile of {}", self.provider)
    }
}

/// The fields of an answer.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub fn new(map: Map<String, Value>) -> Self {
        Fields(map)
    }

    /// Reads an answer: an error in the body is read before the status, because failures may have
    /// status 200.
    pub fn of(reply: &Reply) -> Result<Self, ProviderError> {
        let body = serde_json::from_slice(&reply.body).ok();
        if let Some(Value::Object(body)) = body {
            if let Some(refusal) = refusal(&body, reply.status) {
                return Err(refusal);
            }
            if reply.status.is_success() {
                return Ok(Fields(body));
            }
        }
        Err(by_status(reply.status))
    }

    /// A text that is not empty.
    pub fn text(&self, name: &str) -> Option<String> {
        let text = self.0.get(name)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A text, or the text of a whole number.
    pub fn id(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::Number(number) if number.is_u64() => Some(number.to_string()),
            _ => self.text(name),
        }
    }

    pub fn is_true(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }

    /// The address that these fields call verified; a verification in other fields does not count.
    /// Cognito and Apple write `true` as a text.
    pub fn verified_email(&self) -> Option<String> {
        let word = self.0.get("email_verified");
        let is_proved = word.is_some_and(|word| *word == Value::Bool(true) || *word == "true");
        self.text("email").filter(|_| is_proved)
    }

    pub fn object(&self, name: &str) -> Option<Fields> {
        self.0.get(name)?.as_object().cloned().map(Fields)
    }

    pub fn texts(&self, name: &str) -> Vec<String> {
        let list = self.0.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Adds missing fields.
    pub fn complete(&mut self, with: Fields) {
        for (name, value) in with.0 {
            self.0.entry(name).or_insert(value);
        }
    }

    /// The profile with these fields and this subject.
    pub fn profile(
        &self,
        provider: &str,
        subject: Option<String>,
    ) -> Result<Profile, ProviderError> {
        let subject = subject
            .filter(|subject| subject.len() <= MAX_SUBJECT && !subject.contains(disturbs_a_line));
        let person = Profile {
            provider: provider.to_owned(),
            subject: subject.ok_or(ProviderError::Unusable("it names no user"))?,
            email: None,
            email_verified: false,
            name: None,
            avatar_url: None,
            phone: None,
        };
        Ok(person.mailed(self.text("email")))
    }
}

impl Profile {
    /// One line of at most an address's length.
    pub(super) fn mailed(self, email: Option<String>) -> Self {
        let is_sound =
            |email: &String| email.len() <= MAX_EMAIL && !email.contains(disturbs_a_line);
        Profile { email: email.filter(is_sound), ..self }
    }

    pub(super) fn with_name(self, name: Option<String>) -> Self {
        Profile { name: name.as_deref().and_then(cleaned_name), ..self }
    }

    /// Only a URL that a browser can load safely.
    pub(super) fn with_avatar(self, url: Option<String>) -> Self {
        let is_sound = |url: &String| {
            url.len() <= MAX_URL
                && !url.contains(disturbs_a_line)
                && url::Url::parse(url).is_ok_and(|url| url.scheme() == "https")
        };
        Profile { avatar_url: url.filter(is_sound), ..self }
    }

    /// A number with its country code; VK omits the plus.
    pub(super) fn with_phone(self, phone: Option<String>) -> Self {
        let international = phone.map(|phone| {
            let is_bare = phone.bytes().all(|byte| byte.is_ascii_digit());
            if is_bare { format!("+{phone}") } else { phone }
        });
        let phone = international.as_deref().and_then(Phone::parse);
        Profile { phone: phone.map(|phone| phone.shown().to_owned()), ..self }
    }

    pub(super) fn with_verified_email(self, email_verified: bool) -> Self {
        Profile { email_verified: email_verified && self.email.is_some(), ..self }
    }
}

/// VK's error code for a revoked token; its other codes are about VK or the request (6: too many,
/// 9: flood, 10: internal error).
const VK_REVOKED: i64 = 5;
/// The maximum length of a provider's text in the log.
const MAX_WORDS: usize = 200;
/// A run of letters and digits of this length may be a token.
const MIN_TOKEN: usize = 16;

/// The meaning of a body with an `error`.
fn refusal(body: &Map<String, Value>, status: StatusCode) -> Option<ProviderError> {
    let error = body.get("error").filter(|error| !error.is_null())?;
    if let Some(number) = error.get("error_code") {
        return Some(of_vk(number));
    }
    let code = error.as_str().unwrap_or("an error");
    if matches!(code, "server_error" | "temporarily_unavailable" | "slow_down") {
        return Some(ProviderError::Unreachable("it reports that it is not available".to_owned()));
    }
    // A refused request has one of these statuses; others mean another failure.
    matches!(status.as_u16(), 200..=299 | 400 | 401).then(|| {
        let description = body.get("error_description").and_then(Value::as_str);
        let words = [Some(code), description].into_iter().flatten().map(loggable);
        ProviderError::Refused(words.collect::<Vec<_>>().join(": "))
    })
}

/// An error of VK's methods: a number within an object.
fn of_vk(number: &Value) -> ProviderError {
    let number = number.as_i64().or_else(|| number.as_str()?.parse().ok());
    match number {
        Some(VK_REVOKED) => ProviderError::Refused(format!("error {VK_REVOKED}")),
        Some(number) => ProviderError::Unreachable(format!("error {number}")),
        None => ProviderError::Unusable("an error without a number"),
    }
}

fn by_status(status: StatusCode) -> ProviderError {
    match status.as_u16() {
        200..=299 => ProviderError::Unusable("no JSON object"),
        401 => ProviderError::Refused("status 401".to_owned()),
        503 => ProviderError::Unreachable("status 503".to_owned()),
        status => ProviderError::Status(status),
    }
}

/// A provider's text for the log: short, printable, and without possible tokens or addresses.
pub fn loggable(words: &str) -> String {
    let words: String = words.chars().filter(|c| *c == ' ' || c.is_ascii_graphic()).collect();
    let masked = words.split_inclusive(|c: char| !is_token_char(c)).map(|run| {
        let token = run.trim_end_matches(|c: char| !is_token_char(c));
        let secret = after_host(token);
        if may_be_token(secret) { run.replacen(secret, "[redacted]", 1) } else { run.to_owned() }
    });
    masked.collect::<String>().chars().take(MAX_WORDS).collect()
}

/// A character of base64, a JWT or an address.
fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./+=~@".contains(c)
}

/// The rest after the host, if it is a URL without its scheme.
fn after_host(run: &str) -> &str {
    let path = run.strip_prefix("//").and_then(|rest| Some(rest.split_once('/')?.1));
    path.unwrap_or_else(|| if run.starts_with("//") { "" } else { run })
}

fn may_be_token(run: &str) -> bool {
    let has = |is: fn(&u8) -> bool| run.bytes().any(|byte| is(&byte));
    let is_mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    let is_address = run.trim_matches('@').contains('@');
    is_address || run.len() >= MIN_TOKEN && (has(u8::is_ascii_digit) || is_mixed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: u16, body: &str) -> Result<Fields, ProviderError> {
        let status = StatusCode::from_u16(status).expect("a status");
        Fields::of(&Reply { status, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn body_error_is_read_before_the_status() {
        let refused = |status, body| matches!(read(status, body), Err(ProviderError::Refused(_)));
        assert!(refused(200, r#"{"error": "invalid_token"}"#));
        assert!(refused(200, r#"{"error": {"error_code": 5}}"#));
        assert!(refused(200, r#"{"error": 6, "id": "1"}"#));
        assert!(refused(200, r#"{"error": {"error_code": "5"}}"#));
        for code in [1, 6, 9, 10, 15, 29] {
            for status in [200, 400, 401] {
                let answer = read(status, &format!(r#"{{"error": {{"error_code": {code}}}}}"#));
                assert!(matches!(answer, Err(ProviderError::Unreachable(_))), "{code}");
            }
        }
        assert!(refused(400, r#"{"error": "invalid_grant"}"#) && refused(401, "no"));
        assert!(read(200, r#"{"error": null, "id": "1"}"#).is_ok());
        assert!(matches!(
            read(200, r#"{"error": "temporarily_unavailable"}"#),
            Err(ProviderError::Unreachable(_))
        ));
        for garbage in ["", "<html>", "[]", "null", "1", "{", "\"text\""] {
            assert!(matches!(read(200, garbage), Err(ProviderError::Unusable(_))), "{garbage}");
        }
        for status in [400, 403, 404, 500, 302] {
            assert!(matches!(read(status, "x"), Err(ProviderError::Status(s)) if s == status));
        }
        assert!(matches!(read(500, r#"{"error": "x"}"#), Err(ProviderError::Status(500))));
    }

    #[test]
    fn field_of_another_type_counts_as_missing() {
        let Value::Object(map) = json!({
            "text": " x ", "blank": " ", "number": 7, "float": 1.5, "true": true, "word": "true", "one": 1,
            "list": ["a", 1, "b"],
        }) else {
            panic!("an object")
        };
        let fields = Fields::new(map);
        assert_eq!(fields.text("text").as_deref(), Some("x"));
        for name in ["blank", "number", "true", "list", "absent"] {
            assert_eq!(fields.text(name), None, "{name}");
        }
        assert_eq!(fields.id("number").as_deref(), Some("7"));
        assert_eq!((fields.id("float"), fields.id("true")), (None, None));
        assert!(fields.is_true("true"));
        assert!(!fields.is_true("word") && !fields.is_true("one") && !fields.is_true("absent"));
        assert_eq!(fields.texts("list"), ["a", "b"]);
    }

    #[test]
    fn log_text_is_short_and_contains_no_token() {
        assert_eq!(loggable("invalid_scope"), "invalid_scope");
        assert_eq!(loggable("redirect_uri is not registered"), "redirect_uri is not registered");
        assert_eq!(loggable("a\nb\u{1b}[31m\u{202e}c"), "ab[31mc");
        assert_eq!(
            loggable("code 4/0AX4XfWh-abc_123456789 (of https://a.example/cb) is spent"),
            "code [redacted] (of https://a.example/cb) is spent"
        );
        for secret in [
            "ya29.abc-DEF/ghijklmnop+QRstuv/wx",
            "AbCdEfGhIjKlMnOpQrStUvWx",
            "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
            "anna@example.com",
            "https://a.example/cb/AbCdEfGhIjKlMnOpQrStUvWx",
        ] {
            let logged = loggable(&format!("token {secret} is spent"));
            assert!(logged.ends_with("[redacted] is spent"), "{logged}");
        }
        assert_eq!(
            loggable("unauthorized_client_or_something_long"),
            "unauthorized_client_or_something_long"
        );
        assert_eq!(loggable(&"x ".repeat(1_000)).len(), MAX_WORDS);
    }

    #[test]
    fn profile_needs_a_subject() {
        let fields = Fields::new(Map::new());
        for subject in [None, Some("x".repeat(256)), Some("a\nb".into()), Some("a\u{202e}b".into())]
        {
            assert!(fields.profile("vk", subject).is_err());
        }
        let person = fields.profile("vk", Some("1".to_owned())).expect("a person");
        let person = person
            .with_name(Some("\u{202e}Anna\u{1b}\n".to_owned()))
            .with_phone(Some("79123456789".to_owned()));
        assert_eq!(person.name.as_deref(), Some("Anna"));
        assert_eq!(person.phone.as_deref(), Some("+79123456789"));
        // OpenID Connect Core 1.0 section 5.1.
        let called = |phone: &str| person.clone().with_phone(Some(phone.to_owned())).phone;
        assert_eq!(called("+1 (425) 555-1212").as_deref(), Some("+14255551212"));
        for phone in ["+0123456789", "1234567", "(425) 555-1212", "+1 (604) 555-1234;ext=5678"] {
            assert_eq!(called(phone), None, "{phone}");
        }
        let person =
            person.with_avatar(Some("javascript:alert(1)".to_owned())).with_verified_email(true);
        assert_eq!((person.avatar_url, person.email_verified), (None, false));
    }
}
