//! The picture of a run: bars in SVG, one group for each figure, one bar for each server. It needs no
//! font and no script, and can be read on a light and on a dark page.

use std::fmt::Write as _;

use super::description::Operation;
use super::figures::{Figures, short};
use super::report::Row;
use super::workloads::{FLOODED_PROBE, database_cpu_of, p99_of, server_cpu_of};

const WIDTH: f64 = 860.0;
/// Where bars begin and end; names are before them, values after them.
const BARS: (f64, f64) = (230.0, 760.0);
const LINE: f64 = 22.0;

struct Group {
    title: &'static str,
    bars: Vec<(String, f64)>,
}

/// The picture, as the text of an SVG file.
pub fn svg(figures: &Figures, rows: &[Row]) -> String {
    let (mut body, mut top) = (String::new(), 10.0);
    for group in groups(figures, rows) {
        top = draw(&mut body, &group, top);
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" font-family="sans-serif" font-size="13">
<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>
{body}</svg>
"##
    )
}

fn groups(figures: &Figures, rows: &[Row]) -> Vec<Group> {
    let cpu = |operation: Operation, scale: f64| -> Vec<(String, f64)> {
        let name = operation.name();
        rows.iter()
            .filter_map(|row| {
                let server = figures.median(&row.name, &server_cpu_of(name))?;
                let database = figures.median(&row.name, &database_cpu_of(name)).unwrap_or(0.0);
                Some((row.name.clone(), (server + database) / scale))
            })
            .collect()
    };
    let flooded = rows.iter().filter_map(|row| {
        Some((row.name.clone(), figures.median(&row.name, &p99_of(FLOODED_PROBE))?))
    });
    [
        Group { title: "CPU of a sign-in, ms", bars: cpu(Operation::SignIn, 1e3) },
        Group { title: "CPU of a refresh, µs", bars: cpu(Operation::Refresh, 1.0) },
        Group { title: "CPU of `me`, µs", bars: cpu(Operation::Me, 1.0) },
        Group { title: "p99 of `me` while 200 clients sign in, ms", bars: flooded.collect() },
    ]
    .into_iter()
    .filter(|group| !group.bars.is_empty())
    .collect()
}

/// Draws a group below `top`, and returns where the next one begins.
fn draw(body: &mut String, group: &Group, mut top: f64) -> f64 {
    let highest = group.bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let (left, right) = BARS;
    top += LINE;
    // A String takes everything.
    let _ = writeln!(
        body,
        r##"<text x="10" y="{top:.0}" fill="#1a1a1a" font-weight="bold">{}</text>"##,
        escaped(group.title)
    );
    for (name, value) in &group.bars {
        top += LINE;
        let width = (right - left) * value / highest;
        let colour = if name.starts_with("Propusk") { "#2f6fab" } else { "#9a9a9a" };
        let _ = writeln!(
            body,
            r##"<text x="{:.0}" y="{top:.0}" fill="#1a1a1a" text-anchor="end">{}</text><rect x="{left:.0}" y="{:.0}" width="{width:.1}" height="14" fill="{colour}"/><text x="{:.0}" y="{top:.0}" fill="#1a1a1a">{}</text>"##,
            left - 8.0,
            escaped(name),
            top - 12.0,
            left + width + 6.0,
            short(*value),
        );
    }
    top + LINE
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_has_a_bar_for_each_server_that_was_measured() {
        let row = |name: &str| Row { name: name.to_owned(), about: String::new() };
        let mut figures = Figures::default();
        figures.add("A<B", server_cpu_of("refresh"), 50.0);
        figures.add("C", server_cpu_of("refresh"), 100.0);
        let picture = svg(&figures, &[row("A<B"), row("C"), row("D")]);
        assert!(picture.contains("A&lt;B") && picture.contains(">C<") && !picture.contains(">D<"));
        assert!(picture.contains(r#"width="265.0""#) && picture.contains(r#"width="530.0""#));
        assert_eq!(picture.matches("font-weight").count(), 1);
    }
}
