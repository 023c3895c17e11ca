//! The finding of a check.

use serde::Serialize;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// No problem.
    Pass,
    /// It works but needs attention, or the check could not see it.
    Warn,
    /// A problem.
    Fail,
}

impl Verdict {
    /// The label in the report.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// The finding of a check, with a suggested fix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The result.
    pub verdict: Verdict,
    /// What the check observed.
    pub seen: String,
    /// The suggested fix, with the command to run; `None` if there is nothing to fix.
    pub fix: Option<String>,
}

impl Finding {
    /// No problem.
    pub fn pass(seen: impl Into<String>) -> Self {
        Self { verdict: Verdict::Pass, seen: seen.into(), fix: None }
    }

    /// Something needs attention.
    pub fn warn(seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, seen: seen.into(), fix: Some(fix.into()) }
    }

    /// Adds something that needs attention, with its fix unless it is the last one's.
    pub fn add_warning(&mut self, seen: &str, fix: &str) {
        if self.verdict == Verdict::Pass {
            self.verdict = Verdict::Warn;
        }
        append(&mut self.seen, seen);
        let fixes = self.fix.get_or_insert_default();
        if !fixes.ends_with(fix) {
            append(fixes, fix);
        }
    }

    /// A problem.
    pub fn fail(seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, seen: seen.into(), fix: Some(fix.into()) }
    }
}

/// Appends a clause.
fn append(text: &mut String, clause: &str) {
    if !text.is_empty() {
        text.push_str("; ");
    }
    text.push_str(clause);
}
