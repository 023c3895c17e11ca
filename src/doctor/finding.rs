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

/// Appends a clause. A sentence before it loses its period, and a sentence after it its capital, but `HTTPS_PROXY` does not.
fn append(text: &mut String, clause: &str) {
    if text.is_empty() || clause.is_empty() {
        return text.push_str(clause);
    }
    if text.ends_with('.') {
        text.pop();
    }
    text.push_str("; ");
    let mut letters = clause.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => text.extend(first.to_lowercase()),
        (first, _) => text.extend(first),
    }
    text.push_str(letters.as_str());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_joined_into_one_sentence() {
        let mut finding = Finding::pass("valid until 12:00: The server is silent.");
        for (seen, fix) in [("The grace period ends", "Renew it"), ("HTTPS_PROXY differs", "Renew it"), ("x", "")] {
            finding.add_warning(seen, fix);
        }
        let seen = "valid until 12:00: The server is silent; the grace period ends; HTTPS_PROXY differs; x";
        assert_eq!(finding, Finding::warn(seen, "Renew it"));
        finding.add_warning("A clock is wrong", "Set it");
        assert_eq!(finding.fix.as_deref(), Some("Renew it; set it"));
    }
}
