//! The requests to a provider, recorded for the tests.

use http_body_util::{BodyExt, Limited};
use hyper::Method;
use hyper::body::Incoming;

use crate::token::Refusal;
use crate::{Endpoint, Provider};

const MAX_BODY: usize = 64 * 1024;

/// One recorded request.
#[derive(Clone, Debug)]
pub struct Request {
    pub provider: Provider,
    pub endpoint: Endpoint,
    /// `GET`, `POST` …
    pub method: String,
    pub query: Vec<(String, String)>,
    /// Empty if the body was not declared as a form.
    pub form: Vec<(String, String)>,
    /// Names are in lower case.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// A parameter of the query; one without a value counts as left out (RFC 6749, section 3.1).
    pub fn in_query(&self, name: &str) -> Option<&str> {
        first(&self.query, name).filter(|value| !value.is_empty())
    }

    /// A parameter of the form; one without a value counts as left out.
    pub fn in_form(&self, name: &str) -> Option<&str> {
        first(&self.form, name).filter(|value| !value.is_empty())
    }

    /// A header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, &name.to_ascii_lowercase())
    }

    pub(crate) async fn read(
        provider: Provider,
        endpoint: Endpoint,
        request: hyper::Request<Incoming>,
    ) -> Option<Request> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.ok()?.to_bytes();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers: Vec<_> = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())))
            .collect();
        let form = if is_form(first(&headers, "content-type")) { &body[..] } else { b"" };
        Some(Request {
            provider,
            endpoint,
            method: head.method.to_string(),
            query: pairs(head.uri.query().unwrap_or_default().as_bytes()),
            form: pairs(form),
            headers,
        })
    }

    pub(crate) fn is(&self, method: &Method) -> bool {
        self.method == method.as_str()
    }

    /// The value of an authorization header after `scheme`.
    pub(crate) fn authorization(&self, scheme: &str) -> Option<&str> {
        let (given, rest) = self.header("authorization")?.split_once(' ')?;
        given.eq_ignore_ascii_case(scheme).then_some(rest)
    }

    pub(crate) fn needed(&self, name: &str) -> Result<&str, Refusal> {
        self.in_form(name).ok_or_else(|| Refusal::Request(format!("{name} is missing")))
    }

    /// A parameter that is repeated: it is not defined which one counts.
    pub(crate) fn repeated(&self) -> Option<&str> {
        [&self.query, &self.form].into_iter().find_map(|parameters| {
            let mut names: Vec<_> = parameters.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
        })
    }
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn is_form(content_type: Option<&str>) -> bool {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
