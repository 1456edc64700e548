//! The form of a log line: text for readers, or one JSON object for programs. Both show the request
//! that the line belongs to.

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::request_record::{self, Member};

/// Few lines are longer, in bytes.
const LINE: usize = 320;

/// Lines of text: time, level, place, message, members.
pub struct TextLines(Format<Full>);

impl TextLines {
    pub fn new(has_colours: bool) -> Self {
        TextLines(Format::default().with_ansi(has_colours))
    }
}

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::with_capacity(LINE);
        self.0.format_event(context, Writer::new(&mut line), event)?;
        line.truncate(line.trim_end_matches('\n').len());
        let mut outcome = Ok(());
        request_record::each_member(|name, value| {
            outcome = outcome.and_then(|()| write!(line, " {name}={value}"));
        });
        outcome?;
        line.push('\n');
        writer.write_str(&line)
    }
}

/// One JSON object for each line.
pub struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Members::default();
        line.add("time", time);
        line.add("level", event.metadata().level().as_str());
        line.add("target", event.metadata().target());
        event.record(&mut line);
        request_record::each_member(|name, value| line.add_known(name, value));
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

/// The members of a line.
#[derive(Default)]
struct Members(Map<String, Value>);

impl Members {
    fn add(&mut self, name: &str, value: impl Serialize) {
        // Numbers, texts and truth values can all be written as JSON.
        self.0.insert(name.to_owned(), serde_json::to_value(value).unwrap_or_default());
    }

    /// Adds what is known of the request, unless the line itself says it.
    fn add_known(&mut self, name: &str, value: Member<'_>) {
        match value {
            _ if self.0.contains_key(name) => {}
            Member::Number(number) => self.add(name, number),
            Member::Text(text) => self.add(name, text.to_string()),
        }
    }
}

impl Visit for Members {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() != "log.line" {
            self.add(field.name(), value);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            // A line of a library that logs with the crate `log`.
            "log.target" => self.add("target", value),
            name if name.starts_with("log.") => {}
            name => self.add(name, value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), format!("{value:?}"));
    }
}
