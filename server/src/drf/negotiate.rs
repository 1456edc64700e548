//! Which media types a request sends and accepts, compared as Django REST framework does: by type
//! and subtype, `*` matching any, without case, parameters and `q`. A client that only accepts HTML
//! (the browsable page) is accepted and gets JSON.

use std::borrow::Cow;

use crate::python;

/// The rendered types and subtypes, with their names in `?format=`.
const RENDERERS: [(&str, &str, &str); 2] =
    [("json", "application", "json"), ("api", "text", "html")];

#[derive(Debug, PartialEq, Eq)]
pub enum Unacceptable {
    /// 406.
    Accept,
    /// 404: no renderer has this `?format=` name.
    Format,
}

/// `accept` is the header, several joined by commas; `format` the query's parameter.
pub fn accept(accept: Option<&str>, format: Option<&str>) -> Result<(), Unacceptable> {
    let format = format.unwrap_or_default();
    let renderers = || RENDERERS.iter().filter(|r| format.is_empty() || r.0 == format);
    if renderers().next().is_none() {
        return Err(Unacceptable::Format);
    }
    let mut ranges = accept.unwrap_or("*/*").split(',').map(MediaRange::parse);
    let found = ranges.any(|range| renderers().any(|(_, kind, sub)| range.covers(kind, sub)));
    if found { Ok(()) } else { Err(Unacceptable::Accept) }
}

/// `type/subtype` of a header in lower case; each may be `*`.
pub struct MediaRange<'h>(Cow<'h, str>);

impl<'h> MediaRange<'h> {
    pub fn parse(header: &'h str) -> Self {
        let name = python::strip(split_parameters(header).next().unwrap_or_default());
        let is_lower = name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        MediaRange(match is_lower {
            true => Cow::Borrowed(name),
            false => Cow::Owned(name.to_lowercase()),
        })
    }

    pub fn covers(&self, kind: &str, sub: &str) -> bool {
        let (own_kind, own_sub) = self.0.split_once('/').unwrap_or((&self.0, ""));
        (own_kind == "*" || own_kind == kind) && (own_sub == "*" || own_sub == sub)
    }
}

/// A parameter of a header such as `multipart/form-data; boundary=x`, unquoted; the last one of
/// that name.
pub fn parameter(header: &str, wanted: &str) -> Option<String> {
    let parameters = split_parameters(header).skip(1).filter_map(|p| p.split_once('='));
    let (_, value) =
        parameters.filter(|(name, _)| python::strip(name).to_lowercase() == wanted).last()?;
    let value = python::strip(value);
    let quoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    Some(match quoted {
        Some(value) => value.replace("\\\\", "\\").replace("\\\"", "\""),
        None => value.to_owned(),
    })
}

/// The parts of a header between semicolons outside quotes.
fn split_parameters(header: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut previous) = (false, ' ');
    header.split(move |c| {
        quoted ^= c == '"' && previous != '\\';
        previous = c;
        c == ';' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_html_are_acceptable_in_every_spelling() {
        let fine = [
            "*/*",
            "application/*",
            "*/json",
            "APPLICATION/Json",
            "text/html;q=0",
            "image/png, text/*;q=0.1",
            " application/json ; indent=2",
        ];
        for header in fine {
            assert_eq!(accept(Some(header), None), Ok(()), "{header}");
        }
        assert_eq!(accept(None, Some("")), Ok(()));
    }

    #[test]
    fn other_media_types_are_not_acceptable() {
        for header in ["", "*", "application/xml", "application/json+x", "json", "text/plain, a/b"]
        {
            assert_eq!(accept(Some(header), None), Err(Unacceptable::Accept), "{header}");
        }
    }

    #[test]
    fn format_is_applied_first() {
        assert_eq!(accept(None, Some("json")), Ok(()));
        assert_eq!(accept(Some("text/html"), Some("json")), Err(Unacceptable::Accept));
        assert_eq!(accept(Some("application/json"), Some("api")), Err(Unacceptable::Accept));
        assert_eq!(accept(Some("a/b"), Some("JSON")), Err(Unacceptable::Format));
    }

    #[test]
    fn parameter_may_be_quoted_and_contain_a_semicolon() {
        let header = r#"Multipart/Form-Data; charset="a;boundary=no"; BOUNDARY = "x;\"y""#;
        assert_eq!(parameter(header, "boundary").as_deref(), Some("x;\"y"));
        assert_eq!(parameter("a/b; boundary", "boundary"), None);
        assert!(MediaRange::parse(header).covers("multipart", "form-data"));
    }
}
