//! Texts with placeholders: `{name}` stands for a value. Other braces, such as those of JSON, stand
//! for themselves.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The values of placeholders.
pub type Values = BTreeMap<String, String>;

/// How a value is written into its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Inside the quotes of a JSON string.
    Json,
    /// A part of a URL or of a form.
    Url,
    /// A header, where nothing is escaped.
    Header,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(from = "String")]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(String),
}

impl From<String> for Template {
    fn from(text: String) -> Self {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text.as_str());
        while let Some(at) = rest.find('{') {
            let (before, from_brace) = rest.split_at(at);
            plain.push_str(before);
            match placeholder(from_brace) {
                Some(name) => {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                    parts.push(Part::Placeholder(name.to_owned()));
                    rest = &from_brace[name.len() + 2..];
                }
                None => {
                    plain.push('{');
                    rest = &from_brace[1..];
                }
            }
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        Template(parts)
    }
}

impl Template {
    /// The names of its placeholders.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Placeholder(name) => Some(name.as_str()),
        })
    }

    /// The text with these values; a placeholder without a value is an error.
    pub fn fill(&self, values: &Values, place: Place) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Placeholder(name) => {
                    let value =
                        values.get(name).ok_or_else(|| format!("no value for {{{name}}}"))?;
                    text.push_str(&written(value, place));
                }
            }
        }
        Ok(text)
    }
}

/// Whether a placeholder can have this name.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The name of the placeholder that this text begins with.
fn placeholder(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    is_name(name).then_some(name)
}

fn written(value: &str, place: Place) -> String {
    match place {
        Place::Json => {
            let quoted = serde_json::Value::from(value).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
        Place::Url => form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        Place::Header => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, place: Place) -> Result<String, String> {
        let value = |text: &str| text.to_owned();
        let values = Values::from([(value("name"), value("a\"b&c"))]);
        Template::from(text.to_owned()).fill(&values, place)
    }

    #[test]
    fn placeholder_is_filled_with_the_escaping_of_its_place() {
        let json = r#"{"who": "{name}", "not": {}, "other": "{Name}"}"#;
        assert_eq!(
            filled(json, Place::Json).as_deref(),
            Ok(r#"{"who": "a\"b&c", "not": {}, "other": "{Name}"}"#)
        );
        assert_eq!(
            filled("/u/{name}?x={name}", Place::Url).as_deref(),
            Ok("/u/a%22b%26c?x=a%22b%26c")
        );
        assert_eq!(filled("Bearer {name}", Place::Header).as_deref(), Ok("Bearer a\"b&c"));
    }

    #[test]
    fn placeholder_without_a_value_is_named() {
        assert_eq!(filled("{token}", Place::Json), Err("no value for {token}".to_owned()));
        let template = Template::from("{a} {b_c} {D} {".to_owned());
        assert_eq!(template.names().collect::<Vec<_>>(), ["a", "b_c"]);
    }
}
