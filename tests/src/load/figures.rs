//! All measured values, by what was measured and of which server: one for each round.

use std::collections::BTreeMap;
use std::fmt;

/// The row of what the machine can do without a server.
pub const BARE: &str = "bare";

#[derive(Default)]
pub struct Figures {
    values: BTreeMap<(String, String), Vec<f64>>,
    /// What could not be measured of a server, and why.
    failures: Vec<(String, String)>,
}

/// Values of several rounds in short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub median: f64,
    pub lowest: f64,
    pub highest: f64,
}

impl Figures {
    pub fn add(&mut self, of: &str, what: impl Into<String>, value: f64) {
        // A rate without time or a share of nothing is no figure.
        if value.is_finite() {
            self.values.entry((of.to_owned(), what.into())).or_default().push(value);
        }
    }

    /// Notes that something of a server could not be measured.
    pub fn add_failure(&mut self, of: &str, failure: String) {
        self.failures.push((of.to_owned(), failure));
    }

    /// What could not be measured of a server.
    pub fn failures_of(&self, of: &str) -> impl Iterator<Item = &str> {
        let failures = self.failures.iter().filter(move |(name, _)| name == of);
        failures.map(|(_, failure)| failure.as_str())
    }

    pub fn summary(&self, of: &str, what: &str) -> Option<Summary> {
        let mut values = self.values.get(&(of.to_owned(), what.to_owned()))?.clone();
        values.sort_unstable_by(f64::total_cmp);
        let (lowest, highest) = (*values.first()?, *values.last()?);
        Some(Summary { median: median(&values), lowest, highest })
    }

    pub fn median(&self, of: &str, what: &str) -> Option<f64> {
        self.summary(of, what).map(|summary| summary.median)
    }

    /// What was measured of a server, in the order of the names.
    pub fn all_of(&self, of: &str) -> impl Iterator<Item = (&str, Summary)> {
        let names = self.values.keys().filter(move |(name, _)| name == of);
        names.filter_map(move |(name, what)| Some((what.as_str(), self.summary(name, what)?)))
    }
}

/// Of sorted values, of which there is at least one.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// The median of values in any order; `None` if there is none.
pub fn median_of(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    (!values.is_empty()).then(|| median(&values))
}

/// The median with the lowest and the highest value of the rounds.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { median, lowest, highest } = *self;
        match lowest == highest {
            true => f.write_str(&short(median)),
            false => write!(f, "{} ({}–{})", short(median), short(lowest), short(highest)),
        }
    }
}

/// Three digits that count.
pub fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 0.1 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_has_the_median_and_the_spread() {
        let mut figures = Figures::default();
        for value in [3.0, 1.0, 2.0, f64::NAN] {
            figures.add("a", "x", value);
        }
        let summary = figures.summary("a", "x").expect("values");
        assert_eq!(summary, Summary { median: 2.0, lowest: 1.0, highest: 3.0 });
        assert_eq!(summary.to_string(), "2.00 (1.00–3.00)");
        assert_eq!(figures.median("a", "y"), None);
        assert_eq!(figures.all_of("a").count(), 1);
        assert_eq!(median_of(vec![4.0, 1.0]), Some(2.5));
    }

    #[test]
    fn value_is_written_with_the_digits_that_count() {
        let values = [0.0, 0.012_34, 0.1234, 1.234, 12.34, 1_234.4];
        assert_eq!(values.map(short), ["0", "0.0123", "0.123", "1.23", "12.3", "1234"]);
    }
}
