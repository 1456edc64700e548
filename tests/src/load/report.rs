//! The tables of a run in Markdown, and their place in `server/PERFORMANCE.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::Result;
use super::description::Operation;
use super::figures::{BARE, Figures, short};
use super::marks::{self, Bound, FIRST_STARTED, IDLE, SETTLED, STARTED};
use super::workloads::{
    FLOODED_PROBE, RACE_ANSWERED, RACE_TOKENS, database_cpu_of, p50_of, p99_of, rate_of,
    server_cpu_of,
};

/// The lines of `server/PERFORMANCE.md` between which the last results are.
pub struct Section {
    begin: &'static str,
    end: &'static str,
}

pub const FIGURES: Section = Section {
    begin: "<!-- figures: written by the load program -->",
    end: "<!-- end of the figures -->",
};

pub const GROWTH: Section = Section {
    begin: "<!-- growth: written by the load program -->",
    end: "<!-- end of growth -->",
};

/// A measured server and what it is.
pub struct Row {
    pub name: String,
    pub about: String,
}

/// All tables.
pub fn tables(figures: &Figures, rows: &[Row], how: &str) -> String {
    let mut text = format!("{how}\n\nMedians of all rounds, with the lowest and the highest.\n");
    ratios(&mut text, figures);
    servers(&mut text, figures, rows);
    limits(&mut text, figures);
    text
}

/// The processor and the number of its cores, as Linux names them.
pub fn machine() -> String {
    let file = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = file.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name = name.map_or("an unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = propusk_argon2_kernel::Kernel::best().name();
    format!("{name}, {cores} cores, hashes with {kernel}; clients on the same cores")
}

/// Replaces the results of the last run in this file.
pub fn write_into(file: &Path, section: &Section, tables: &str) -> Result<()> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("{shown}: {error}"))?;
    let replaced = section
        .replaced(&text, tables)
        .ok_or_else(|| format!("{shown}: no line {:?} with an end", section.begin))?;
    fs::write(file, replaced).map_err(|error| format!("{shown}: {error}"))?;
    Ok(())
}

impl Section {
    fn replaced(&self, text: &str, tables: &str) -> Option<String> {
        let Section { begin, end } = self;
        let (before, rest) = text.split_once(begin)?;
        let (_, after) = rest.split_once(end)?;
        Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", tables.trim()))
    }
}

/// What one server needs while the number of accounts grows: a row for each number.
pub fn growth(figures: &Figures, rows: &[String], columns: &[String]) -> String {
    let mut text = format!("{}\n\n", machine());
    let titles = columns.iter().map(String::as_str);
    line(&mut text, &["accounts and sessions"].into_iter().chain(titles).collect::<Vec<_>>());
    line(&mut text, &vec!["---"; columns.len() + 1]);
    for row in rows {
        let found = columns.iter().map(|column| figures.median(row, column));
        let cells: Vec<String> = found.map(|it| it.map_or_else(String::new, short)).collect();
        let cells = cells.iter().map(String::as_str);
        line(&mut text, &[row.as_str()].into_iter().chain(cells).collect::<Vec<_>>());
    }
    text
}

fn ratios(text: &mut String, figures: &Figures) {
    text.push_str(
        "\n### Ratios\n\n| | what | found | to reach | |\n| --- | --- | --- | --- | --- |\n",
    );
    for mark in marks::all(figures) {
        let bound = match mark.bound {
            Bound::AtMost(most) => format!("≤ {}", short(most)),
            Bound::AtLeast(least) => format!("≥ {}", short(least)),
        };
        let reached = if mark.is_reached() { "reached" } else { "**not reached**" };
        line(text, &[mark.number, &mark.what, &short(mark.found), &bound, reached]);
    }
}

fn servers(text: &mut String, figures: &Figures, rows: &[Row]) {
    text.push_str(
        "\n### Servers\n\nCPU in µs for one operation: of the server, and of its database.\n\n",
    );
    let mut columns: Vec<(String, String)> = Vec::new();
    for operation in [
        Operation::SignIn,
        Operation::Refresh,
        Operation::Me,
        Operation::Verify,
        Operation::Register,
    ] {
        let name = operation.name();
        columns.extend([
            (format!("{name}/s"), rate_of(name)),
            (format!("{name} CPU"), server_cpu_of(name)),
            ("+ db".to_owned(), database_cpu_of(name)),
            ("p50 ms".to_owned(), p50_of(name)),
            ("p99 ms".to_owned(), p99_of(name)),
        ]);
    }
    table(text, figures, rows, &columns);
    text.push_str("\nMix of 90 % checks, 8 % refreshes and 2 % sign-ins; 200 clients that sign in while `me` is asked 50 times a second; eight requests with one refresh token; memory in MiB.\n\n");
    let columns = [
        ("mix/s", rate_of("mix")),
        ("mix p99 ms", p99_of("mix")),
        ("`me` in flood p50 ms", p50_of(FLOODED_PROBE)),
        ("`me` in flood p99 ms", p99_of(FLOODED_PROBE)),
        ("race: answered", RACE_ANSWERED.to_owned()),
        ("race: different tokens", RACE_TOKENS.to_owned()),
        ("start ms", STARTED.to_owned()),
        ("start with an empty database ms", FIRST_STARTED.to_owned()),
        ("idle", IDLE.to_owned()),
        ("after 2 000 sign-ins", SETTLED.to_owned()),
    ]
    .map(|(title, what)| (title.to_owned(), what));
    table(text, figures, rows, &columns);
    text.push('\n');
    for Row { name, about } in rows {
        // A String takes everything.
        let _ = writeln!(text, "- {name}: {about}");
        for failure in figures.failures_of(name) {
            let _ = writeln!(text, "  - not measured: {failure}");
        }
    }
}

fn table(text: &mut String, figures: &Figures, rows: &[Row], columns: &[(String, String)]) {
    let titles = columns.iter().map(|(title, _)| title.as_str());
    line(text, &["server"].into_iter().chain(titles).collect::<Vec<_>>());
    line(text, &vec!["---"; columns.len() + 1]);
    for Row { name, .. } in rows {
        let cells = columns.iter().map(|(_, what)| figures.summary(name, what));
        let cells: Vec<String> =
            cells.map(|summary| summary.map_or_else(String::new, |it| it.to_string())).collect();
        let cells = cells.iter().map(String::as_str);
        line(text, &[name.as_str()].into_iter().chain(cells).collect::<Vec<_>>());
    }
}

fn limits(text: &mut String, figures: &Figures) {
    text.push_str("\n### The bare machine\n\n| what | |\n| --- | --- |\n");
    for (what, summary) in figures.all_of(BARE) {
        line(text, &[what, &summary.to_string()]);
    }
}

fn line(text: &mut String, cells: &[&str]) {
    // A String takes everything.
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_replace_those_of_the_last_run() {
        let Section { begin, end } = FIGURES;
        let text = format!("a\n{begin}\nold\n{end}\nb\n");
        let expected = format!("a\n{begin}\n\nnew\n\n{end}\nb\n");
        assert_eq!(FIGURES.replaced(&text, "new\n").as_deref(), Some(expected.as_str()));
        assert_eq!(FIGURES.replaced(&expected, "new").as_deref(), Some(expected.as_str()));
        assert_eq!(FIGURES.replaced("no lines", "new"), None);
    }

    #[test]
    fn document_has_a_place_for_all_results() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/PERFORMANCE.md");
        let text = fs::read_to_string(file).expect("the document");
        for section in [FIGURES, GROWTH] {
            assert!(section.replaced(&text, "").is_some(), "{}", section.begin);
        }
    }

    #[test]
    fn growth_has_a_row_for_each_number() {
        let mut figures = Figures::default();
        figures.add("1000", "MiB", 12.0);
        let (rows, columns) = (["1000".to_owned()], ["MiB".to_owned(), "ms".to_owned()]);
        let text = growth(&figures, &rows, &columns);
        assert!(text.contains("| 1000 | 12.0 |  |"), "{text}");
    }

    #[test]
    fn tables_have_a_row_for_each_server_and_a_cell_for_each_figure() {
        let mut figures = Figures::default();
        figures.add("A", rate_of("sign-in"), 12.0);
        figures.add_failure("A", "me: no answer".to_owned());
        let rows = [Row { name: "A".to_owned(), about: "bcrypt".to_owned() }];
        let text = tables(&figures, &rows, "here");
        assert!(text.contains("| A | 12.0 |"), "{text}");
        assert!(text.contains("- A: bcrypt\n  - not measured: me: no answer\n"), "{text}");
    }
}
