//! The Prometheus text exposition format 0.0.4, in which both programs answer `GET /metrics`, and counters for it.

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The media type of the format.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a family of metrics is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, from the start of the process on.
    Counter,
    /// It is what it is now.
    Gauge,
    /// Observations in classes of their size.
    Histogram,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// All that a program tells of itself.
#[derive(Debug)]
pub struct Exposition {
    prefix: &'static str,
    text: String,
}

impl Exposition {
    /// One whose metrics all have names that begin with `prefix`.
    pub fn new(prefix: &'static str) -> Self {
        Self { prefix, text: String::new() }
    }

    /// Begins a family; its samples must come before the next one begins.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) -> Family<'_> {
        let name = format!("{}{name}", self.prefix);
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {}", kind.word());
        Family { text: &mut self.text, name }
    }

    /// The program's version, as it is told by convention: a label of a metric that is always 1.
    pub fn build_info(&mut self, version: &str) {
        let mut family = self.family("build_info", Kind::Gauge, "The version that runs.");
        family.sample(&[("version", version)], 1);
    }

    /// All of it, in [`MEDIA_TYPE`].
    pub fn into_text(self) -> String {
        self.text
    }
}

/// The samples of one name.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: String,
}

impl Family<'_> {
    /// Adds a sample with these labels.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.part("", labels, value);
    }

    /// Adds a sample for each value of the label.
    pub fn counters<const N: usize>(&mut self, label: &str, counters: &Counters<N>) {
        for (value, count) in counters.iter() {
            self.sample(&[(label, value)], count);
        }
    }

    /// Adds a sample of a histogram: its name is the family's with this ending.
    pub fn part(&mut self, ending: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{}{ending}", self.name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{}\"", if index == 0 { '{' } else { ',' }, escaped(text));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }
}

/// A label's value between its quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A time in seconds, the unit that the format's users expect.
pub fn seconds(time: Duration) -> String {
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}

/// Counters under the values of one label, all of which are known beforehand, so that the series are always the same.
#[derive(Debug)]
pub struct Counters<const N: usize> {
    values: &'static [&'static str; N],
    counts: [AtomicU64; N],
}

impl<const N: usize> Counters<N> {
    /// Counters that are all zero.
    pub fn new(values: &'static [&'static str; N]) -> Self {
        Self { values, counts: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Counts one more under `value`; one that is not known is not counted.
    pub fn count(&self, value: &str) {
        if let Some((_, count)) = self.values.iter().zip(&self.counts).find(|(known, _)| **known == value) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each value with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.values.iter().zip(&self.counts).map(|(value, count)| (*value, count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_its_help_its_type_and_its_samples() {
        let mut exposition = Exposition::new("a_");
        exposition.family("valid", Kind::Gauge, "Whether it is.").sample(&[], 1);
        let mut family = exposition.family("time", Kind::Histogram, "How long.");
        family.part("_bucket", &[("of", "a \"b\\\n"), ("le", "+Inf")], 2);
        family.part("_sum", &[("of", "x")], seconds(Duration::from_millis(1_050)));
        let counters = Counters::new(&["yes", "no"]);
        for value in ["no", "no", "perhaps"] {
            counters.count(value);
        }
        exposition.family("answers_total", Kind::Counter, "Answers.").counters("word", &counters);
        let expected = "# HELP a_valid Whether it is.\n# TYPE a_valid gauge\na_valid 1\n\
                        # HELP a_time How long.\n# TYPE a_time histogram\n\
                        a_time_bucket{of=\"a \\\"b\\\\\\n\",le=\"+Inf\"} 2\na_time_sum{of=\"x\"} 1.050000\n\
                        # HELP a_answers_total Answers.\n# TYPE a_answers_total counter\n\
                        a_answers_total{word=\"yes\"} 0\na_answers_total{word=\"no\"} 2\n";
        assert_eq!(exposition.into_text(), expected);
    }
}
