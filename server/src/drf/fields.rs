//! Text fields of a serializer, checked as Django REST framework checks them: the same messages in
//! the same order, all failing fields at once. A handler makes a `Form` of the body, reads its
//! fields in the serializer's order, adds its own findings with `fail`, and ends with `finish`.

use super::form::{Data, Fields};
use super::json::Json;
use crate::auth::password::Password;
use crate::identifier::{Email, Phone};
use crate::python;
use serde::{Serialize, Serializer};

pub struct Form {
    fields: Fields,
    errors: Vec<(&'static str, Vec<String>)>,
}

impl Form {
    pub fn new(data: Data) -> Result<Form, FieldErrors> {
        match data {
            Data::Object(fields) => Ok(Form { fields, errors: Vec::new() }),
            Data::NotObject(Json::Null) => Err(FieldErrors::non_field("No data provided")),
            Data::NotObject(other) => Err(FieldErrors::non_field(format!(
                "Invalid data. Expected a dictionary, but got {}.",
                other.python_type()
            ))),
        }
    }

    /// The text of a field if it is valid; errors are kept for `finish`.
    pub fn text(&mut self, name: &'static str, field: &Text) -> Option<String> {
        self.given(name, field).text()
    }

    /// Like `text`, but distinguishes an absent field from an empty one. An invalid field counts as
    /// absent.
    pub fn given(&mut self, name: &'static str, field: &Text) -> Given {
        let value = self.fields.get(name);
        let left_out = self.fields.are_of_form() && value.is_some_and(Json::is_empty_text);
        let outcome = match field.presence {
            Presence::NotRequired if left_out => Ok(Given::Absent),
            _ => field.check(name, value),
        };
        let (given, messages) = match outcome {
            Ok(given) => (given, Vec::new()),
            Err(messages) => (Given::Absent, messages),
        };
        self.errors.push((name, messages));
        given
    }

    /// The text or number of a field as it was sent, untrimmed and unchecked; empty for any other
    /// value.
    pub fn unchecked(&self, name: &str) -> String {
        match self.fields.get(name) {
            Some(Json::Text { text, .. } | Json::Int(text) | Json::Float(text)) => text.clone(),
            Some(Json::Null | Json::Bool | Json::List | Json::Object(_)) | None => String::new(),
        }
    }

    /// A field as Python's `str()` writes it: every value is a text. A value that cannot be a
    /// secret gets a placeholder, which matches no secret.
    pub fn as_written(&self, name: &str) -> Option<String> {
        Some(match self.fields.get(name)? {
            Json::Text { text, .. } | Json::Int(text) | Json::Float(text) => text.clone(),
            Json::Null => "None".to_owned(),
            Json::Bool | Json::List | Json::Object(_) => "\0".to_owned(),
        })
    }

    /// A field that was sent as a text, untrimmed and unchecked, if it is not empty.
    pub fn text_as_sent(&self, name: &str) -> Option<String> {
        match self.fields.get(name)? {
            Json::Text { text, .. } if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    /// Adds a later error of a field. It is reported where the field was read, before its other
    /// messages, like that of Django's `UniqueValidator`.
    pub fn fail(&mut self, name: &'static str, message: impl Into<String>) {
        match self.errors.iter_mut().find(|(field, _)| *field == name) {
            Some((_, messages)) => messages.insert(0, message.into()),
            None => self.errors.push((name, vec![message.into()])),
        }
    }

    pub fn finish(mut self) -> Result<(), FieldErrors> {
        self.errors.retain(|(_, messages)| !messages.is_empty());
        if self.errors.is_empty() { Ok(()) } else { Err(FieldErrors(self.errors)) }
    }
}

/// The value of a field, if the request has one.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Given {
    Absent,
    Null,
    Blank,
    Text(String),
}

impl Given {
    pub fn is_present(&self) -> bool {
        *self != Given::Absent
    }

    pub fn value(&self) -> Option<&str> {
        match self {
            Given::Text(text) => Some(text),
            Given::Absent | Given::Null | Given::Blank => None,
        }
    }

    pub fn text(self) -> Option<String> {
        match self {
            Given::Text(text) => Some(text),
            Given::Absent | Given::Null | Given::Blank => None,
        }
    }
}

/// The body of a 400: `{"field":["message"],…}`.
#[derive(Debug, PartialEq, Eq)]
pub struct FieldErrors(Vec<(&'static str, Vec<String>)>);

impl FieldErrors {
    pub fn of(name: &'static str, messages: Vec<String>) -> FieldErrors {
        FieldErrors(vec![(name, messages)])
    }

    pub fn non_field(message: impl Into<String>) -> FieldErrors {
        FieldErrors::of("non_field_errors", vec![message.into()])
    }
}

impl Serialize for FieldErrors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, messages)| (name, messages)))
    }
}

/// A `CharField` or a similar field; always trimmed.
#[derive(Clone, Copy)]
pub struct Text {
    presence: Presence,
    max_length: Option<usize>,
    shape: Shape,
    names_itself: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    NotRequired,
    MayBeEmpty,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Plain,
    Password,
    Email,
    Phone,
}

impl Text {
    pub const REQUIRED: Text = Text {
        presence: Presence::Required,
        max_length: None,
        shape: Shape::Plain,
        names_itself: false,
    };

    /// Counted in code points.
    pub const fn max(self, length: usize) -> Text {
        Text { max_length: Some(length), ..self }
    }

    pub const fn email(self) -> Text {
        Text { shape: Shape::Email, ..self }
    }

    /// E.164; separators are removed before the check, and from the returned text.
    pub const fn phone(self) -> Text {
        Text { shape: Shape::Phone, ..self }
    }

    pub const fn password(self) -> Text {
        Text { shape: Shape::Password, ..self }
    }

    /// May be absent, but neither null nor blank.
    pub const fn not_required(self) -> Text {
        Text { presence: Presence::NotRequired, ..self }
    }

    /// May be absent, null or blank, like a model field with `null=True, blank=True`.
    pub const fn optional(self) -> Text {
        Text { presence: Presence::MayBeEmpty, ..self }
    }

    /// Its name is in the texts that say that it is absent or blank.
    pub const fn naming_itself(self) -> Text {
        Text { names_itself: true, ..self }
    }

    fn check(&self, name: &str, value: Option<&Json>) -> Result<Given, Vec<String>> {
        match value {
            None => self.check_absent(name),
            Some(Json::Null) if self.presence == Presence::MayBeEmpty => Ok(Given::Null),
            Some(Json::Null) => refuse("This field may not be null."),
            Some(Json::Text { text, surrogate }) => self.check_text(name, text, *surrogate),
            Some(Json::Int(text) | Json::Float(text)) => self.check_text(name, text, None),
            Some(Json::Bool | Json::List | Json::Object(_)) => refuse(match self.shape {
                Shape::Email => "Enter a valid email address.",
                Shape::Plain | Shape::Password | Shape::Phone => "Not a valid string.",
            }),
        }
    }

    fn check_absent(&self, name: &str) -> Result<Given, Vec<String>> {
        match self.presence {
            Presence::Required if self.names_itself => refuse(&format!("{name} is required.")),
            Presence::Required => refuse("This field is required."),
            Presence::NotRequired | Presence::MayBeEmpty => Ok(Given::Absent),
        }
    }

    fn check_blank(&self, name: &str) -> Result<Given, Vec<String>> {
        match self.presence {
            Presence::MayBeEmpty => Ok(Given::Blank),
            Presence::Required | Presence::NotRequired if self.names_itself => {
                refuse(&format!("{name} cannot be blank."))
            }
            Presence::Required | Presence::NotRequired => refuse("This field may not be blank."),
        }
    }

    fn check_text(
        &self,
        name: &str,
        text: &str,
        surrogate: Option<u32>,
    ) -> Result<Given, Vec<String>> {
        let text = python::strip(text);
        if text.is_empty() {
            return self.check_blank(name);
        }
        let text = match self.shape {
            Shape::Phone => Phone::without_separators(text),
            Shape::Plain | Shape::Password | Shape::Email => text.to_owned(),
        };
        let messages = self.messages(&text, surrogate);
        if messages.is_empty() { Ok(Given::Text(text)) } else { Err(messages) }
    }

    /// The messages in the order of Django's validators: first the model's, then the field's.
    fn messages(&self, text: &str, surrogate: Option<u32>) -> Vec<String> {
        let is = |shape| self.shape == shape;
        let phone = is(Shape::Phone) && Phone::parse(text).is_none();
        let null = text.contains('\0');
        let email = is(Shape::Email) && !Email::has_form(text);
        let messages = [
            phone.then(|| "Enter a valid value.".to_owned()),
            self.too_long(text),
            null.then(|| "Null characters are not allowed.".to_owned()),
            surrogate.map(|code| format!("Surrogate characters are not allowed: U+{code:X}.")),
            email.then(|| "Enter a valid email address.".to_owned()),
        ];
        messages.into_iter().flatten().collect()
    }

    fn too_long(&self, text: &str) -> Option<String> {
        let over_max = self.max_length.filter(|&max| text.chars().count() > max);
        let too_heavy = self.shape == Shape::Password && text.len() > Password::MAX_BYTES;
        let max = over_max.or(too_heavy.then_some(Password::MAX_BYTES))?;
        Some(format!("Ensure this field has no more than {max} characters."))
    }
}

fn refuse(message: &str) -> Result<Given, Vec<String>> {
    Err(vec![message.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drf::form;

    const EMAIL: Text = Text::REQUIRED.email().max(254);
    const PHONE: Text = Text::REQUIRED.phone().max(16).optional();

    async fn form(content_type: &str, body: &str) -> Result<Form, FieldErrors> {
        let data = form::read(Some(content_type), body.to_owned().into()).await;
        Form::new(data.expect("a readable body"))
    }

    /// The field `a` of a JSON value, as text or as the list of its messages.
    async fn json(field: Text, value: &str) -> String {
        let body = format!("{{\"a\":{value}}}");
        answer(form("application/json", &body).await.expect("an object"), field)
    }

    async fn urlencoded(field: Text, body: &str) -> String {
        let form = form("application/x-www-form-urlencoded", body).await;
        answer(form.expect("fields"), field)
    }

    fn answer(mut form: Form, field: Text) -> String {
        let given = form.given("a", &field);
        match form.finish() {
            Ok(()) => format!("{given:?}"),
            Err(FieldErrors(errors)) => errors[0].1.join(" "),
        }
    }

    #[tokio::test]
    async fn required_text_answers_like_a_char_field() {
        let cases = [
            ("\" \\u001fx\\n\"", "Text(\"x\")"),
            ("12345", "Text(\"12345\")"),
            ("1e22", "Text(\"1e+22\")"),
            ("\"\"", "This field may not be blank."),
            ("\"\\t\\u00a0\"", "This field may not be blank."),
            ("null", "This field may not be null."),
            ("true", "Not a valid string."),
            ("[]", "Not a valid string."),
            ("{}", "Not a valid string."),
            ("\"a\\ud800\"", "Surrogate characters are not allowed: U+D800."),
            ("\"😀😀😀😀\"", "Text(\"😀😀😀😀\")"),
            (
                "\"1234\\u0000\\udc00\"",
                "Ensure this field has no more than 5 characters. Null characters are not allowed. \
                 Surrogate characters are not allowed: U+DC00.",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(json(Text::REQUIRED.max(5), value).await, expected, "{value}");
        }
        assert_eq!(urlencoded(Text::REQUIRED, "b=1").await, "This field is required.");
    }

    #[tokio::test]
    async fn email_field_never_asks_for_a_string() {
        let cases = [
            ("true", "Enter a valid email address."),
            ("[]", "Enter a valid email address."),
            ("12345", "Enter a valid email address."),
            ("\" Anna@Example.com \"", "Text(\"Anna@Example.com\")"),
            ("\"a\\u0000@b.com\"", "Null characters are not allowed. Enter a valid email address."),
        ];
        for (value, expected) in cases {
            assert_eq!(json(EMAIL, value).await, expected, "{value}");
        }
        let long = |n: usize| format!("\"{}@example.com\"", "a".repeat(n - 12));
        let too_long = "Ensure this field has no more than 254 characters.";
        assert_eq!(json(EMAIL, &long(255)).await, too_long);
        assert_eq!(
            json(EMAIL, &long(321)).await,
            format!("{too_long} Enter a valid email address.")
        );
    }

    #[tokio::test]
    async fn phone_loses_its_separators_before_the_checks() {
        let cases = [
            ("\"+7 (123) 456-78-90\"", "Text(\"+71234567890\")"),
            ("\"( )\"", "Enter a valid value."),
            ("71234567890", "Enter a valid value."),
            ("true", "Not a valid string."),
            ("\"a\\u0000b\"", "Enter a valid value. Null characters are not allowed."),
            (
                "\"+7123456789012345\"",
                "Enter a valid value. Ensure this field has no more than 16 characters.",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(json(PHONE, value).await, expected, "{value}");
        }
    }

    #[tokio::test]
    async fn password_has_at_most_1024_bytes() {
        let message = "Ensure this field has no more than 1024 characters.";
        let field = Text::REQUIRED.password();
        assert_eq!(json(field, &format!("\"{}\"", "я".repeat(513))).await, message);
        assert!(json(field, &format!("\" {} \"", "x".repeat(1024))).await.starts_with("Text"));
        let message = message.replace("1024", "128");
        assert_eq!(json(field.max(128), &format!("\"{}\"", "x".repeat(2000))).await, message);
    }

    #[tokio::test]
    async fn optional_fields_distinguish_absent_null_and_blank() {
        for (value, given) in [("null", "Null"), ("\" \"", "Blank"), ("\"\"", "Blank")] {
            assert_eq!(json(PHONE, value).await, given);
        }
        for (body, given) in [("b=", "Absent"), ("a=", "Blank"), ("a=+", "Blank")] {
            assert_eq!(urlencoded(PHONE, body).await, given);
        }
    }

    #[tokio::test]
    async fn form_omits_an_optional_field_by_leaving_it_blank() {
        let field = Text::REQUIRED.not_required();
        let blank = "This field may not be blank.";
        for (body, given) in [("b=", "Absent"), ("a=", "Absent"), ("a=+", blank)] {
            assert_eq!(urlencoded(field, body).await, given);
        }
        let null = "This field may not be null.";
        for (value, given) in [("\"\"", blank), ("null", null), ("\" x \"", "Text(\"x\")")] {
            assert_eq!(json(field, value).await, given);
        }
    }

    #[tokio::test]
    async fn unchecked_texts_are_as_they_were_sent() {
        let body = r#"{"text": " x ", "number": 1e22, "null": null, "list": ["x"]}"#;
        let form = form("application/json", body).await.expect("an object");
        for (name, text) in
            [("text", " x "), ("number", "1e+22"), ("null", ""), ("list", ""), ("none", "")]
        {
            assert_eq!(form.unchecked(name), text, "{name}");
        }
    }

    #[tokio::test]
    async fn body_that_is_no_object_is_a_non_field_error() {
        let cases = [
            ("null", "No data provided"),
            ("[]", "Invalid data. Expected a dictionary, but got list."),
            ("1.0", "Invalid data. Expected a dictionary, but got float."),
        ];
        for (body, message) in cases {
            let errors = form("application/json", body).await.err();
            assert_eq!(errors, Some(FieldErrors::non_field(message)));
        }
    }

    #[tokio::test]
    async fn errors_come_in_the_order_of_reading_and_later_findings_first() {
        let mut form = form("application/json", r#"{"c": " x "}"#).await.expect("an object");
        assert_eq!(form.text("a", &Text::REQUIRED), None);
        assert_eq!(form.text("b", &PHONE), None);
        assert_eq!(form.text("c", &Text::REQUIRED).as_deref(), Some("x"));
        form.fail("c", "taken");
        form.fail("a", "first");
        let errors = form.finish().expect_err("two fields fail");
        let body = serde_json::to_string(&errors).expect("a map of texts");
        assert_eq!(body, r#"{"a":["first","This field is required."],"c":["taken"]}"#);
    }
}
