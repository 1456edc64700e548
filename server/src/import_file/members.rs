//! The members of a line, taken one by one; what is left at the end is unknown. `null` is the same
//! as a missing member.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;

use super::flaw::Flaw;
use super::record::SourceId;

/// The years 1 to 9999.
const TIMES: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
const UTC_OFFSETS: RangeInclusive<i64> = -86_399..=86_399;
const MAX_TEXT_ID: usize = 255;
const MAX_KEY: usize = 255;
/// How much of an unknown member's name an error shows.
const MAX_SHOWN_NAME: usize = 40;

/// In a list: of so few members the right one is found sooner than in a map.
pub struct Members<'l>(Vec<(Name<'l>, Value)>);

impl<'l> Members<'l> {
    pub fn read(line: &'l [u8]) -> Result<Self, Flaw> {
        serde_json::from_slice(line).map_err(|error| match error.is_data() {
            // What follows in the line may be no JSON either.
            true => match serde_json::from_slice::<IgnoredAny>(line) {
                Ok(_) => Flaw::NotObject,
                Err(error) => Flaw::NotJson { column: error.column() },
            },
            false => Flaw::NotJson { column: error.column() },
        })
    }

    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, Flaw> {
        match self.take(name) {
            None => Ok(None),
            // Postgres stores no NUL.
            Some(Value::String(text)) if !text.contains('\0') => Ok(Some(text)),
            Some(_) => Err(wrong(name, "a text without NUL characters")),
        }
    }

    /// A text that must be there and not empty.
    pub fn needed_text(&mut self, name: &'static str) -> Result<String, Flaw> {
        match self.text(name)? {
            Some(text) if !text.is_empty() => Ok(text),
            Some(_) => Err(wrong(name, "a text that is not empty")),
            None => Err(Flaw::Missing(name)),
        }
    }

    /// A text that must be there and that an index of the database can hold.
    pub fn needed_key(&mut self, name: &'static str) -> Result<String, Flaw> {
        self.key(name)?.ok_or(Flaw::Missing(name))
    }

    /// The same, which may be missing or empty.
    pub fn key(&mut self, name: &'static str) -> Result<Option<String>, Flaw> {
        match self.text(name)?.filter(|text| !text.is_empty()) {
            Some(text) if text.len() > MAX_KEY => Err(wrong(name, "a text of at most 255 bytes")),
            text => Ok(text),
        }
    }

    pub fn flag(&mut self, name: &'static str, default: bool) -> Result<bool, Flaw> {
        match self.take(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(wrong(name, "true or false")),
        }
    }

    /// A whole number that is not negative.
    pub fn number(&mut self, name: &'static str) -> Result<Option<u64>, Flaw> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(number) => Ok(Some(number)),
                None => Err(wrong(name, "a whole number")),
            },
        }
    }

    /// How far a local time is ahead of UTC, in seconds.
    pub fn utc_offset(&mut self, name: &'static str) -> Result<Option<i64>, Flaw> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_i64().filter(|seconds| UTC_OFFSETS.contains(seconds)) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(wrong(name, "a whole number of seconds, less than a day")),
        }
    }

    /// An instant in seconds since 1970; a fraction is cut off.
    pub fn time(&mut self, name: &'static str) -> Result<Option<i64>, Flaw> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let seconds = match &value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => instant(text),
            _ => None,
        };
        match seconds.filter(|seconds| TIMES.contains(seconds)) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(wrong(
                name,
                "a time with its offset, as 2021-03-04T05:06:07+00:00, or whole seconds since 1970",
            )),
        }
    }

    pub fn needed_time(&mut self, name: &'static str) -> Result<i64, Flaw> {
        self.time(name)?.ok_or(Flaw::Missing(name))
    }

    /// A SHA-256 in hex, as the database has it.
    pub fn sha256(&mut self, name: &'static str) -> Result<Option<String>, Flaw> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match self.text(name)? {
            Some(text) if text.len() != 64 || !text.bytes().all(is_hex) => {
                Err(wrong(name, "a SHA-256 of 64 lower-case hex digits"))
            }
            digest => Ok(digest),
        }
    }

    pub fn needed_sha256(&mut self, name: &'static str) -> Result<String, Flaw> {
        self.sha256(name)?.ok_or(Flaw::Missing(name))
    }

    /// An id of an account in the other system.
    pub fn account(&mut self, name: &'static str) -> Result<Option<SourceId>, Flaw> {
        let is_text_id = |text: &str| {
            (1..=MAX_TEXT_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        };
        let Some(value) = self.take(name) else { return Ok(None) };
        let id = match value {
            Value::Number(number) => number.as_i64().filter(|id| *id > 0).map(SourceId::Number),
            Value::String(text) if is_text_id(&text) => Some(SourceId::Text(text)),
            _ => None,
        };
        match id {
            Some(id) => Ok(Some(id)),
            None => {
                Err(wrong(name, "a whole number above 0, or a text of up to 255 ASCII characters"))
            }
        }
    }

    pub fn needed_account(&mut self, name: &'static str) -> Result<SourceId, Flaw> {
        self.account(name)?.ok_or(Flaw::Missing(name))
    }

    /// A list of texts; missing is empty.
    pub fn texts(&mut self, name: &'static str) -> Result<Vec<String>, Flaw> {
        let wrong = || wrong(name, "a list of texts");
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values
                .into_iter()
                .map(|value| match value {
                    Value::String(text) => Ok(text),
                    _ => Err(wrong()),
                })
                .collect(),
            Some(_) => Err(wrong()),
        }
    }

    /// An object; missing is empty.
    pub fn object(&mut self, name: &'static str) -> Result<Map<String, Value>, Flaw> {
        match self.take(name) {
            None => Ok(Map::new()),
            Some(Value::Object(members)) => Ok(members),
            Some(_) => Err(wrong(name, "an object")),
        }
    }

    /// Fails if a member is left.
    pub fn finish(self) -> Result<(), Flaw> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((Name(name), _)) => Err(Flaw::UnknownMember(shown(&name))),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        // Of two members with one name, the last counts.
        let place = self.0.iter().rposition(|(Name(known), _)| known == name)?;
        let (_, value) = self.0.remove(place);
        self.0.retain(|(Name(known), _)| known != name);
        Some(value).filter(|value| !value.is_null())
    }
}

impl<'l> Deserialize<'l> for Members<'l> {
    fn deserialize<D: Deserializer<'l>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'l> Visitor<'l> for MembersVisitor {
    type Value = Members<'l>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<Members<'l>, A::Error> {
        let mut members: Vec<(Name<'l>, Value)> = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// The name of a member, which is a part of its line if nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Name<'l>(#[serde(borrow)] Cow<'l, str>);

pub fn wrong(member: &'static str, wanted: &'static str) -> Flaw {
    Flaw::Wrong { member, wanted }
}

fn instant(text: &str) -> Option<i64> {
    // As Python and SQL print it, with a space.
    let text = text.replacen(' ', "T", 1);
    OffsetDateTime::parse(&text, &Iso8601::PARSING).ok().map(OffsetDateTime::unix_timestamp)
}

/// The name of an unknown member if it looks like one: other text could be a secret.
fn shown(name: &str) -> String {
    let is_name = (1..=MAX_SHOWN_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    match is_name {
        true => format!("`{name}`"),
        false => "one of its members".to_owned(),
    }
}
