//! The Prometheus text exposition format 0.0.4, which both programs use for `GET /metrics`, and counters for it.

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The media type of the format.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The type of a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only increases, starting from zero when the process starts.
    Counter,
    /// A current value, which can go up and down.
    Gauge,
    /// Observations, counted in buckets.
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

/// The metrics of one program, as text.
#[derive(Debug)]
pub struct Exposition {
    prefix: &'static str,
    text: String,
}

impl Exposition {
    /// An empty exposition; `prefix` is put before each metric name.
    pub fn new(prefix: &'static str) -> Self {
        Self { prefix, text: String::new() }
    }

    /// Starts a family. Its samples must be added before the next family starts.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) -> Family<'_> {
        let name = format!("{}{name}", self.prefix);
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {}", kind.word());
        Family { text: &mut self.text, name }
    }

    /// Adds the program's version in the conventional way: as the label of a gauge that is always 1.
    pub fn build_info(&mut self, version: &str) {
        let mut family = self.family("build_info", Kind::Gauge, "The running version.");
        family.sample(&[("version", version)], 1);
    }

    /// The whole text, of type [`MEDIA_TYPE`].
    pub fn into_text(self) -> String {
        self.text
    }
}

/// A metric family whose samples are being written.
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

    /// Adds one sample for each value of `label`.
    pub fn counters<const N: usize>(&mut self, label: &str, counters: &Counters<N>) {
        for (value, count) in counters.iter() {
            self.sample(&[(label, value)], count);
        }
    }

    /// Adds a histogram sample, whose name is the family's name plus `ending`.
    pub fn part(&mut self, ending: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{}{ending}", self.name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{}\"", if index == 0 { '{' } else { ',' }, escaped(text));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }
}

/// Escapes a label value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A duration in seconds, the base unit of Prometheus.
pub fn seconds(time: Duration) -> String {
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}

/// One counter for each value of a label. The values are fixed, so that the set of time series never changes.
#[derive(Debug)]
pub struct Counters<const N: usize> {
    values: &'static [&'static str; N],
    counts: [AtomicU64; N],
}

impl<const N: usize> Counters<N> {
    /// Counters that start at zero.
    pub fn new(values: &'static [&'static str; N]) -> Self {
        Self { values, counts: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Increments the counter of `value`; ignores an unknown value.
    pub fn count(&self, value: &str) {
        if let Some((_, count)) = self.values.iter().zip(&self.counts).find(|(known, _)| **known == value) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The values with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.values.iter().zip(&self.counts).map(|(value, count)| (*value, count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_help_its_type_and_its_samples() {
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
