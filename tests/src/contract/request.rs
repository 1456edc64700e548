//! A recorded request as it goes over the wire, with captured values in place of `${name}`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::Request as HttpRequest;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use serde_json::Value;

use super::rows::{Body, Raw, Request};

const BOUNDARY: &str = "----a-boundary-that-no-value-contains";

/// Values from earlier answers, by name.
pub type Captures = HashMap<String, String>;

/// Why a request cannot be made.
#[derive(Debug)]
pub enum Missing {
    /// No earlier answer contained this.
    Capture(String),
    Form(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Capture(name) => write!(f, "no earlier answer gave ${{{name}}}"),
            Missing::Form(problem) => f.write_str(problem),
        }
    }
}

impl Request {
    /// The request to send, or the capture that is missing.
    pub fn fill(&self, captures: &Captures) -> Result<HttpRequest<Full<Bytes>>, Missing> {
        let path = filled(&self.path, captures)?;
        let mut request = HttpRequest::builder().method(self.method.as_bytes()).uri(path);
        for (name, value) in &self.headers {
            request = request.header(name, header_value(&filled(value, captures)?)?);
        }
        if let Body::Multipart { .. } = self.body {
            request =
                request.header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"));
        }
        let body = self.body.fill(captures)?;
        request.body(Full::from(body)).map_err(|error| Missing::Form(error.to_string()))
    }
}

impl Body {
    /// Its members, if it can be parsed.
    pub fn as_json(&self) -> Option<Value> {
        match self {
            Body::Json { body } => Some(body.clone()),
            Body::Form { form: fields } | Body::Multipart { multipart: fields } => {
                serde_json::to_value(fields).ok()
            }
            Body::Raw { raw: Raw::Text(text) } => serde_json::from_str(text).ok(),
            Body::Raw { .. } | Body::None {} => None,
        }
    }

    fn fill(&self, captures: &Captures) -> Result<Vec<u8>, Missing> {
        match self {
            Body::Json { body } => Ok(filled_json(body, captures)?.to_string().into_bytes()),
            Body::Form { form } => {
                let mut text = form_urlencoded::Serializer::new(String::new());
                text.extend_pairs(filled_fields(form, captures)?);
                Ok(text.finish().into_bytes())
            }
            Body::Multipart { multipart } => Ok(parts(&filled_fields(multipart, captures)?)),
            Body::Raw { raw: Raw::Text(text) } => Ok(text.clone().into_bytes()),
            Body::Raw { raw: Raw::Bytes { base64 } } => {
                STANDARD.decode(base64).map_err(|error| Missing::Form(error.to_string()))
            }
            Body::None {} => Ok(Vec::new()),
        }
    }
}

/// Puts captured values in place of their `${name}`.
fn filled(text: &str, captures: &Captures) -> Result<String, Missing> {
    let open = || Missing::Form("an open ${ in the recorded request".to_owned());
    let mut pieces = text.split("${");
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once('}').ok_or_else(open)?;
        let value = captures.get(name);
        whole += value.ok_or_else(|| Missing::Capture(name.to_owned()))?;
        whole += rest;
    }
    Ok(whole)
}

fn filled_json(value: &Value, captures: &Captures) -> Result<Value, Missing> {
    Ok(match value {
        Value::String(text) => Value::String(filled(text, captures)?),
        Value::Array(items) => {
            items.iter().map(|item| filled_json(item, captures)).collect::<Result<_, _>>()?
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            let fill = |(name, value): (&String, &Value)| {
                Ok((name.clone(), filled_json(value, captures)?))
            };
            Value::Object(fields.map(fill).collect::<Result<_, Missing>>()?)
        }
        other => other.clone(),
    })
}

fn filled_fields(
    fields: &BTreeMap<String, String>,
    captures: &Captures,
) -> Result<Vec<(String, String)>, Missing> {
    let fields = fields.iter();
    fields.map(|(name, value)| Ok((name.clone(), filled(value, captures)?))).collect()
}

/// Each character above U+007F in a header text is one latin-1 byte, as HTTP sends it.
fn header_value(text: &str) -> Result<HeaderValue, Missing> {
    let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
    let bytes = bytes.map_err(|error| Missing::Form(format!("{text:?}: {error}")))?;
    HeaderValue::from_bytes(&bytes).map_err(|error| Missing::Form(format!("{text:?}: {error}")))
}

fn parts(fields: &[(String, String)]) -> Vec<u8> {
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    body += &format!("--{BOUNDARY}--\r\n");
    body.into_bytes()
}
