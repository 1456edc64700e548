//! Reads a request's body as Django REST framework does: JSON, a urlencoded or a multipart form,
//! chosen by the Content-Type. In each the last field of a name wins; a file in a form hides a text
//! of the same name.

use super::json::{self, Json};
use super::negotiate::{self, MediaRange};
use crate::python;
use axum::body::{Body, Bytes};
use multer::Multipart;

/// Django's `DATA_UPLOAD_MAX_NUMBER_FIELDS`.
const MAX_FIELDS: usize = 1000;
/// Django's `DATA_UPLOAD_MAX_NUMBER_FILES`.
const MAX_FILES: usize = 100;
/// RFC 2046 allows 70; Django 201.
const MAX_BOUNDARY: usize = 201;

#[cfg_attr(test, derive(Debug))]
pub enum Data {
    Object(Fields),
    /// JSON that is not an object.
    NotObject(Json),
}

#[cfg_attr(test, derive(Debug))]
pub struct Fields {
    values: Vec<(String, Json)>,
    of_form: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum BodyError {
    /// 415, with the media type as it was sent.
    UnsupportedMediaType(String),
    /// 400, with the whole `detail`.
    Parse(String),
    /// Django's plain 400 page.
    TooManyFields,
}

impl Fields {
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.values.iter().rfind(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// Whether they came from a form, where a field can only be omitted by leaving it blank.
    pub fn are_of_form(&self) -> bool {
        self.of_form
    }

    fn of_form(values: Vec<(String, Json)>) -> Data {
        Data::Object(Fields { values, of_form: true })
    }
}

/// `content_type` is the header as it was sent; an empty body needs none and has no fields.
pub async fn read(content_type: Option<&str>, body: Bytes) -> Result<Data, BodyError> {
    // What Python's WSGI server reports for a request without the header.
    let content_type = content_type.unwrap_or("text/plain");
    let range = MediaRange::parse(content_type);
    if body.is_empty() {
        Ok(Fields::of_form(Vec::new()))
    } else if range.covers("application", "json") {
        json_data(&body)
    } else if range.covers("application", "x-www-form-urlencoded") {
        urlencoded(&body)
    } else if range.covers("multipart", "form-data") {
        // In a box: the future of every request has room for it otherwise.
        Box::pin(multipart(&boundary(content_type)?, body)).await
    } else {
        Err(BodyError::UnsupportedMediaType(content_type.to_owned()))
    }
}

fn json_data(body: &[u8]) -> Result<Data, BodyError> {
    match json::parse(body) {
        Ok(Json::Object(values)) => Ok(Data::Object(Fields { values, of_form: false })),
        Ok(other) => Ok(Data::NotObject(other)),
        Err(text) => Err(BodyError::Parse(format!("JSON parse error - {text}"))),
    }
}

fn urlencoded(body: &[u8]) -> Result<Data, BodyError> {
    // Empty fields count, as they do for Python.
    if body.iter().filter(|&&b| b == b'&').count() >= MAX_FIELDS {
        return Err(BodyError::TooManyFields);
    }
    let latin1 = || body.iter().copied().map(char::from).collect();
    let body = str::from_utf8(body).map_or_else(|_| latin1(), str::to_owned);
    let fields = form_urlencoded::parse(body.as_bytes());
    Ok(Fields::of_form(fields.map(|(name, value)| (name.into_owned(), text(value))).collect()))
}

/// Django's checks before it reads a body; the media type is compared case-sensitively here, unlike
/// in the choice of a parser.
fn boundary(content_type: &str) -> Result<String, BodyError> {
    if !content_type.starts_with("multipart/") {
        return Err(broken_form(format!("Invalid Content-Type: {content_type}")));
    }
    if !content_type.is_ascii() {
        let text = format!("Invalid non-ASCII Content-Type in multipart: {content_type}");
        return Err(broken_form(text));
    }
    let boundary = negotiate::parameter(content_type, "boundary");
    let valid = |boundary: &String| {
        (1..=MAX_BOUNDARY).contains(&boundary.len())
            && boundary.bytes().all(|b| matches!(b, b' '..=b'~'))
            && !boundary.ends_with(' ')
    };
    match boundary {
        Some(boundary) if valid(&boundary) => Ok(boundary),
        other => {
            let shown = other.as_deref().unwrap_or("None");
            Err(broken_form(format!("Invalid boundary in multipart: {shown}")))
        }
    }
}

async fn multipart(boundary: &str, body: Bytes) -> Result<Data, BodyError> {
    let stream = Body::from(body).into_data_stream();
    let mut parts = Multipart::new(stream, boundary);
    let (mut texts, mut files) = (Vec::new(), Vec::new());
    while let Some(part) = next_part(&mut parts).await? {
        let Some(name) = part.name().map(|name| python::strip(name).to_owned()) else {
            continue;
        };
        if part.file_name().is_some_and(|file| !file.is_empty()) {
            // A text field refuses a file as it refuses a list.
            files.push((name, Json::List));
        } else {
            let content = part.bytes().await.map_err(broken_form)?;
            texts.push((name, text(String::from_utf8_lossy(&content))));
        }
        if texts.len() > MAX_FIELDS || files.len() > MAX_FILES {
            return Err(BodyError::TooManyFields);
        }
    }
    texts.append(&mut files);
    Ok(Fields::of_form(texts))
}

/// A truncated body, or one without its boundary, ends where it stops, as in Django.
async fn next_part<'m>(parts: &mut Multipart<'m>) -> Result<Option<multer::Field<'m>>, BodyError> {
    match parts.next_field().await {
        Err(multer::Error::IncompleteStream | multer::Error::IncompleteHeaders) => Ok(None),
        part => part.map_err(broken_form),
    }
}

fn text(value: impl Into<String>) -> Json {
    Json::Text { text: value.into(), surrogate: None }
}

fn broken_form(what: impl std::fmt::Display) -> BodyError {
    BodyError::Parse(format!("Multipart form parse error - {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URLENCODED: &str = "application/x-www-form-urlencoded";

    async fn fields(content_type: &str, body: impl Into<Bytes>) -> Fields {
        match read(Some(content_type), body.into()).await {
            Ok(Data::Object(fields)) => fields,
            other => panic!("no fields: {other:?}"),
        }
    }

    async fn refusal(content_type: Option<&str>, body: &'static str) -> BodyError {
        read(content_type, body.into()).await.expect_err("refused")
    }

    fn shown(fields: &Fields, name: &str) -> Option<String> {
        match fields.get(name) {
            Some(Json::Text { text, .. }) => Some(text.clone()),
            _ => None,
        }
    }

    fn part(disposition: &str, content: &str) -> String {
        format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
    }

    #[tokio::test]
    async fn content_type_selects_the_parser_without_case_and_with_stars() {
        for content_type in ["*/*", "application/*", "*/JSON", "Application/Json; charset=utf-8"] {
            let fields = fields(content_type, r#"{"a": "1", "a": "2"}"#).await;
            assert_eq!(shown(&fields, "a").as_deref(), Some("2"), "{content_type}");
        }
        let fields = fields("*/X-www-form-urlencoded;x", "a=1&a=2").await;
        assert_eq!(shown(&fields, "a").as_deref(), Some("2"));
    }

    #[tokio::test]
    async fn other_media_types_are_named_as_they_were_sent() {
        for (sent, named) in [(None, "text/plain"), (Some(""), ""), (Some("Json; x"), "Json; x")] {
            let expected = BodyError::UnsupportedMediaType(named.to_owned());
            assert_eq!(refusal(sent, "{}").await, expected);
        }
    }

    #[tokio::test]
    async fn empty_body_has_no_fields_for_any_type() {
        for content_type in ["application/json", "text/plain", "multipart/form-data"] {
            assert!(fields(content_type, "").await.get("a").is_none());
        }
    }

    #[tokio::test]
    async fn json_that_is_no_object_differs_from_broken_json() {
        let data = read(Some("application/json"), "[]".into()).await;
        assert!(matches!(data, Ok(Data::NotObject(Json::List))));
        let text = "JSON parse error - Expecting value: line 1 column 1 (char 0)";
        let expected = BodyError::Parse(text.to_owned());
        assert_eq!(refusal(Some("application/json"), "x").await, expected);
    }

    #[tokio::test]
    async fn urlencoded_fields_are_decoded_as_django_does() {
        let body = "a=x+y%D1%8F%FF&&b&=c&d=%zz";
        let read = fields(URLENCODED, body).await;
        let cases = [("a", "x yя\u{fffd}"), ("b", ""), ("", "c"), ("d", "%zz")];
        for (name, value) in cases {
            assert_eq!(shown(&read, name).as_deref(), Some(value), "{name}");
        }
        let latin1 = fields(URLENCODED, &b"a=\xe9"[..]).await;
        assert_eq!(shown(&latin1, "a").as_deref(), Some("é"));
    }

    #[tokio::test]
    async fn form_with_more_than_a_thousand_fields_is_refused() {
        assert!(fields(URLENCODED, "&".repeat(999)).await.get("a").is_none());
        let body = Bytes::from("&".repeat(1000));
        assert!(matches!(read(Some(URLENCODED), body).await, Err(BodyError::TooManyFields)));
        let body = Bytes::from(part("name=a", "").repeat(1001) + "--b--");
        let content_type = Some("multipart/form-data; boundary=b");
        assert!(matches!(read(content_type, body).await, Err(BodyError::TooManyFields)));
    }

    #[tokio::test]
    async fn multipart_fields_are_texts_unless_they_are_files() {
        let body = part("name=\"a\"", "1")
            + &part("name=\"f\"; filename=\"x.txt\"", "1")
            + &part("name=f", "2")
            + &part("name=\" a \"; filename=\"\"", "я 2")
            + &part("filename=x", "no name")
            + "--b--\r\n";
        let fields = fields("multipart/form-data; boundary=\"b\"", body).await;
        assert_eq!(shown(&fields, "a").as_deref(), Some("я 2"));
        assert_eq!(fields.get("f"), Some(&Json::List));
    }

    #[tokio::test]
    async fn multipart_form_that_is_broken_is_a_parse_error() {
        let cases = [
            ("multipart/form-data", "Invalid boundary in multipart: None"),
            ("multipart/form-data; boundary=\"a \"", "Invalid boundary in multipart: a "),
            (
                "Multipart/form-data; boundary=b",
                "Invalid Content-Type: Multipart/form-data; boundary=b",
            ),
        ];
        for (content_type, message) in cases {
            let expected = BodyError::Parse(format!("Multipart form parse error - {message}"));
            assert_eq!(refusal(Some(content_type), "--b\r\n").await, expected);
        }
    }

    #[tokio::test]
    async fn multipart_form_that_is_truncated_has_the_fields_before() {
        for body in ["--b\r\n", "no boundary", "--c\r\nContent-Disposition: form-data"] {
            let fields = fields("multipart/form-data; boundary=b", body).await;
            assert!(fields.get("a").is_none(), "{body}");
        }
    }
}
