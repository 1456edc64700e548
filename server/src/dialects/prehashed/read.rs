//! Reading requests: a body in JSON or as a urlencoded form, with all invalid fields reported at
//! once; and a token from the query, the header or the body. Nothing here is `Debug`: bodies hold
//! secrets.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value};

use super::reply::{Finding, Reply};
use crate::auth::password::Password;
use crate::http::body::{self, BodyRefusal};
use crate::identifier::{Email, Phone};

const MIN_SECRET_BYTES: usize = 8;

/// The fields of a body, and the errors of those that were read.
pub struct Form {
    fields: Map<String, Value>,
    findings: Vec<Finding>,
}

pub async fn form(request: Request) -> Result<Form, Reply> {
    let (parts, body) = request.into_parts();
    let body = body::read(body).await.map_err(body_refusal)?;
    Ok(Form { fields: fields(&parts.headers, &body)?, findings: Vec::new() })
}

impl Form {
    pub fn text(&mut self, field: &'static str) -> Option<String> {
        let finding = match self.fields.get(field) {
            Some(Value::String(text)) => return Some(text.clone()),
            Some(_) => Finding::no_text(field),
            None => Finding::missing("body", field),
        };
        self.findings.push(finding);
        None
    }

    pub fn email(&mut self, field: &'static str) -> Option<Email> {
        let text = self.text(field)?;
        self.found(Email::parse(text.trim()), || Finding::no_email(field))
    }

    pub fn phone(&mut self, field: &'static str) -> Option<Phone> {
        let text = self.text(field)?;
        self.found(Phone::parse(text.trim()), || Finding::no_phone(field))
    }

    /// A new password. Only a new one has rules: an existing one may come from an API with other
    /// rules.
    pub fn new_secret(&mut self, field: &'static str) -> Option<Password> {
        let text = self.text(field)?;
        let secret =
            self.found(Password::parse(&text).ok(), || Finding::too_long(field))?.verbatim();
        let long_enough = (secret.as_str().len() >= MIN_SECRET_BYTES).then_some(secret);
        self.found(long_enough, || Finding::too_short(field))
    }

    /// The refusal with all errors.
    pub fn refusal(&self) -> Reply {
        Reply::unprocessable(&self.findings)
    }

    fn found<T>(&mut self, value: Option<T>, otherwise: impl Fn() -> Finding) -> Option<T> {
        if value.is_none() {
            self.findings.push(otherwise());
        }
        value
    }
}

/// A token: from the query, else from the header, else from the body if there is one.
pub async fn token(request: Request, name: &'static str) -> Result<String, Reply> {
    // In all cases: a request that a proxy and this server could read differently is refused.
    if request.headers().get_all(AUTHORIZATION).iter().count() > 1 {
        let text = "Invalid authentication credentials";
        return Err(Reply::detail(StatusCode::UNAUTHORIZED, text));
    }
    if let Some(token) = in_query(&request, name) {
        return Ok(token);
    }
    if let Some(token) = in_header(request.headers()) {
        return Ok(token);
    }
    if request.method() != Method::POST {
        return Err(Reply::unprocessable(&[Finding::missing("query", name)]));
    }
    let mut form = form(request).await?;
    form.text(name).ok_or_else(|| form.refusal())
}

/// Parameters of the query, else of the body, and the missing ones.
pub struct Params {
    query: Vec<(String, String)>,
    body: Map<String, Value>,
    part: &'static str,
    findings: Vec<Finding>,
}

pub async fn params(request: Request) -> Result<Params, Reply> {
    let (parts, body) = request.into_parts();
    let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let query = query.into_owned().collect();
    let has_body = parts.method == Method::POST;
    let body = match has_body {
        true => body::read(body).await.map_err(body_refusal)?,
        false => Bytes::new(),
    };
    let body = if body.is_empty() { Map::new() } else { fields(&parts.headers, &body)? };
    let part = if has_body { "body" } else { "query" };
    Ok(Params { query, body, part, findings: Vec::new() })
}

impl Params {
    pub fn optional(&self, name: &str) -> Option<String> {
        let in_query = self.query.iter().rfind(|(field, _)| field == name).map(|(_, value)| value);
        let found = in_query.map(String::as_str).or_else(|| self.body.get(name)?.as_str());
        found.filter(|value| !value.is_empty()).map(str::to_owned)
    }

    pub fn required(&mut self, name: &'static str) -> Option<String> {
        let found = self.optional(name);
        if found.is_none() {
            self.findings.push(Finding::missing(self.part, name));
        }
        found
    }

    pub fn finish(&self) -> Result<(), Reply> {
        match self.findings.is_empty() {
            true => Ok(()),
            false => Err(Reply::unprocessable(&self.findings)),
        }
    }
}

fn in_query(request: &Request, name: &str) -> Option<String> {
    let query = request.uri().query().unwrap_or_default();
    let values = form_urlencoded::parse(query.as_bytes());
    values.filter(|(field, _)| field == name).last().map(|(_, value)| value.into_owned())
}

fn in_header(headers: &HeaderMap) -> Option<String> {
    let header = String::from_utf8_lossy(headers.get(AUTHORIZATION)?.as_bytes());
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim().to_owned())
}

fn fields(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, Reply> {
    if body.is_empty() {
        return Err(Reply::unprocessable(&[Finding::no_body()]));
    }
    let Some(content_type) = headers.get(CONTENT_TYPE) else { return json(body) };
    let content_type = String::from_utf8_lossy(content_type.as_bytes()).to_ascii_lowercase();
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/x-www-form-urlencoded" => Ok(urlencoded(body)),
        "application/json" => json(body),
        other if other.starts_with("application/") && other.ends_with("+json") => json(body),
        _ => Err(Reply::detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type")),
    }
}

fn json(body: &[u8]) -> Result<Map<String, Value>, Reply> {
    let finding = match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => return Ok(fields),
        Ok(Value::Null) => Finding::no_body(),
        Ok(_) => Finding::no_object(),
        Err(error) => Finding::no_json(place(&error, body)),
    };
    Err(Reply::unprocessable(&[finding]))
}

/// The position of the byte where parsing stopped.
fn place(error: &serde_json::Error, body: &[u8]) -> usize {
    if error.is_eof() {
        return body.len();
    }
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    before + error.column().saturating_sub(1)
}

fn urlencoded(body: &[u8]) -> Map<String, Value> {
    let fields = form_urlencoded::parse(body);
    fields.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect()
}

fn body_refusal(refusal: BodyRefusal) -> Reply {
    match refusal {
        BodyRefusal::TooLarge => Reply::detail(StatusCode::PAYLOAD_TOO_LARGE, "Content Too Large"),
        BodyRefusal::TooSlow => Reply::detail(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
        BodyRefusal::Broken => Reply::detail(StatusCode::BAD_REQUEST, "Bad Request"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_error_names_the_byte_where_parsing_stopped() {
        for (body, at) in [
            ("{", 1),
            ("{\"a\": ", 6),
            ("[1 2]", 3),
            ("{\"я\":1,\n\n\"b\" 2}", 14),
            ("nul", 3),
            ("x", 0),
            (" \n", 2),
        ] {
            let error = serde_json::from_str::<Value>(body).expect_err("no JSON");
            assert_eq!(place(&error, body.as_bytes()), at, "{body}");
        }
    }
}
