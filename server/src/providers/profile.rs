//! What a provider tells of a person, read carefully: a field of another type is as good as none,
//! and only `true` is true.

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

/// A person as a provider knows them. `Debug` tells only who vouches.
#[derive(Clone, Deserialize, Serialize)]
pub struct Profile {
    pub provider: String,
    /// The provider's own, never changing name for the person.
    pub subject: String,
    /// As it was sent, which need not be an address.
    pub email: Option<String>,
    /// Whether the provider is to be believed that the person has this address.
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

/// The members of an answer.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub fn new(map: Map<String, Value>) -> Self {
        Fields(map)
    }

    /// Reads an answer: what it says comes before its status, because failures come with 200 too.
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

    /// A text with something in it.
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

    /// The address that these very fields call proved: what others say of another one does not
    /// count. Cognito and Apple write `true` as a text.
    pub fn proved_email(&self) -> Option<String> {
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

    /// Adds what is not there yet.
    pub fn complete(&mut self, with: Fields) {
        for (name, value) in with.0 {
            self.0.entry(name).or_insert(value);
        }
    }

    /// The person of whom these are the fields, called `subject`.
    pub fn person(
        &self,
        provider: &str,
        subject: Option<String>,
    ) -> Result<Profile, ProviderError> {
        let subject = subject
            .filter(|subject| subject.len() <= MAX_SUBJECT && !subject.contains(disturbs_a_line));
        let person = Profile {
            provider: provider.to_owned(),
            subject: subject.ok_or(ProviderError::Unusable("it names nobody"))?,
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
    /// One line that is not longer than an address can be.
    pub(super) fn mailed(self, email: Option<String>) -> Self {
        let is_sound =
            |email: &String| email.len() <= MAX_EMAIL && !email.contains(disturbs_a_line);
        Profile { email: email.filter(is_sound), ..self }
    }

    pub(super) fn named(self, name: Option<String>) -> Self {
        Profile { name: name.as_deref().and_then(cleaned_name), ..self }
    }

    /// Only what a browser may load safely.
    pub(super) fn pictured(self, url: Option<String>) -> Self {
        let is_sound = |url: &String| {
            url.len() <= MAX_URL
                && !url.contains(disturbs_a_line)
                && url::Url::parse(url).is_ok_and(|url| url.scheme() == "https")
        };
        Profile { avatar_url: url.filter(is_sound), ..self }
    }

    /// A number with its country code; VK leaves the plus before bare digits out.
    pub(super) fn called(self, phone: Option<String>) -> Self {
        let international = phone.map(|phone| {
            let is_bare = phone.bytes().all(|byte| byte.is_ascii_digit());
            if is_bare { format!("+{phone}") } else { phone }
        });
        let phone = international.as_deref().and_then(Phone::parse);
        Profile { phone: phone.map(|phone| phone.shown().to_owned()), ..self }
    }

    pub(super) fn verified(self, email_verified: bool) -> Self {
        Profile { email_verified: email_verified && self.email.is_some(), ..self }
    }
}

/// The code with which VK says that a token was revoked; its others are about VK or the request (6: too
/// many, 9: flood, 10: a fault of its own).
const VK_REVOKED: i64 = 5;
/// Of a provider's words, the characters that are logged.
const MAX_WORDS: usize = 200;
/// Letters and digits in a row that may be a token.
const MIN_TOKEN: usize = 16;

/// What a body with an `error` in it means.
fn refusal(body: &Map<String, Value>, status: StatusCode) -> Option<ProviderError> {
    let error = body.get("error").filter(|error| !error.is_null())?;
    if let Some(number) = error.get("error_code") {
        return Some(of_vk(number));
    }
    let code = error.as_str().unwrap_or("an error");
    if matches!(code, "server_error" | "temporarily_unavailable" | "slow_down") {
        return Some(ProviderError::Unreachable("it says that it is not available".to_owned()));
    }
    // A refused request has one of these; behind any other status stands another trouble.
    matches!(status.as_u16(), 200..=299 | 400 | 401).then(|| {
        let description = body.get("error_description").and_then(Value::as_str);
        let words = [Some(code), description].into_iter().flatten().map(loggable);
        ProviderError::Refused(words.collect::<Vec<_>>().join(": "))
    })
}

/// An error as VK's methods have it, a number within an object.
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

/// A provider's words as they may stand in a log: short, printable, and without what may be a token or
/// an address of somebody.
pub fn loggable(words: &str) -> String {
    let words: String = words.chars().filter(|c| *c == ' ' || c.is_ascii_graphic()).collect();
    let masked = words.split_inclusive(|c: char| !is_of_token(c)).map(|run| {
        let token = run.trim_end_matches(|c: char| !is_of_token(c));
        let secret = without_host(token);
        if may_be_token(secret) { run.replacen(secret, "[redacted]", 1) } else { run.to_owned() }
    });
    masked.collect::<String>().chars().take(MAX_WORDS).collect()
}

/// Of base64, a JWT, or an address.
fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./+=~@".contains(c)
}

/// What stands behind the host, where it is a URL without its scheme.
fn without_host(run: &str) -> &str {
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
    fn a_body_is_believed_before_its_status() {
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
    fn what_is_of_another_type_is_not_there() {
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
    fn words_for_the_log_are_short_and_hold_no_token() {
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
    fn a_person_needs_a_name_of_the_providers() {
        let fields = Fields::new(Map::new());
        for subject in [None, Some("x".repeat(256)), Some("a\nb".into()), Some("a\u{202e}b".into())]
        {
            assert!(fields.person("vk", subject).is_err());
        }
        let person = fields.person("vk", Some("1".to_owned())).expect("a person");
        let person = person
            .named(Some("\u{202e}Anna\u{1b}\n".to_owned()))
            .called(Some("79123456789".to_owned()));
        assert_eq!(person.name.as_deref(), Some("Anna"));
        assert_eq!(person.phone.as_deref(), Some("+79123456789"));
        // OpenID Connect Core 1.0 section 5.1.
        let called = |phone: &str| person.clone().called(Some(phone.to_owned())).phone;
        assert_eq!(called("+1 (425) 555-1212").as_deref(), Some("+14255551212"));
        for phone in ["+0123456789", "1234567", "(425) 555-1212", "+1 (604) 555-1234;ext=5678"] {
            assert_eq!(called(phone), None, "{phone}");
        }
        let person = person.pictured(Some("javascript:alert(1)".to_owned())).verified(true);
        assert_eq!((person.avatar_url, person.email_verified), (None, false));
    }
}
