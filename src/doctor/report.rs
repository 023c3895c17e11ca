//! The report: aligned text for humans, JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use crate::doctor::finding::{Finding, Verdict};
use opterius_base::text::{one_line, terminal_json};

/// The width of the check-name column.
pub const NAME: usize = 16;

/// The longest observation or fix shown, in characters.
const LONGEST: usize = 700;

/// A check and its finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportLine {
    /// The check's name.
    pub check: &'static str,
    /// Its finding.
    #[serde(flatten)]
    pub finding: Finding,
}

#[derive(Serialize)]
struct JsonReport<'a> {
    agent_version: &'static str,
    pass: usize,
    warn: usize,
    fail: usize,
    checks: &'a [ReportLine],
}

fn count(lines: &[ReportLine], verdict: Verdict) -> usize {
    lines.iter().filter(|line| line.finding.verdict == verdict).count()
}

/// One line per check, followed by its fix, and a summary line at the end.
pub fn text(lines: &[ReportLine]) -> String {
    let mut text = String::new();
    for ReportLine { check, finding: Finding { verdict, seen, fix } } in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {check:<NAME$}  {}", verdict.word(), one_line(seen, LONGEST));
        if let Some(fix) = fix {
            let _ = writeln!(text, "      {:<NAME$}  → {}", "", one_line(fix, LONGEST));
        }
    }
    let [pass, warn, fail] = [Verdict::Pass, Verdict::Warn, Verdict::Fail].map(|verdict| count(lines, verdict));
    let _ = writeln!(text, "\n{} checks: {pass} PASS, {warn} WARN, {fail} FAIL", lines.len());
    text
}

/// The same as one JSON object.
pub fn json(lines: &[ReportLine]) -> String {
    let document = JsonReport {
        agent_version: env!("CARGO_PKG_VERSION"),
        pass: count(lines, Verdict::Pass),
        warn: count(lines, Verdict::Warn),
        fail: count(lines, Verdict::Fail),
        checks: lines,
    };
    // Serialization cannot fail for these types.
    let json = serde_json::to_string(&document).unwrap_or_default();
    format!("{}\n", terminal_json(&json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_aligned_and_contain_no_terminal_escapes() {
        let line = |check, finding| ReportLine { check, finding };
        let lines = [
            line("port", Finding::pass("held\u{1b}[2J by\nus")),
            line("license answer", Finding::fail("No.", "Ask.")),
            line("accounts", Finding::warn("2", "adopt")),
        ];
        let expected = "\
PASS  port              held [2J by us
FAIL  license answer    No.
                        → Ask.
WARN  accounts          2
                        → adopt

3 checks: 1 PASS, 1 WARN, 1 FAIL
";
        assert_eq!(text(&lines), expected);
        let json: serde_json::Value = serde_json::from_str(&json(&lines)).unwrap();
        assert_eq!((&json["pass"], &json["warn"], &json["fail"]), (&1.into(), &1.into(), &1.into()));
        assert_eq!(json["checks"][1]["verdict"], "FAIL");
        assert_eq!(json["checks"][0]["fix"], serde_json::Value::Null);
    }
}
