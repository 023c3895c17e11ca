//! What a check has found. Which check it was, the walk knows.

use serde::Serialize;

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// It is as it should be.
    Pass,
    /// It works, or cannot be seen, and somebody should know.
    Warn,
    /// It is wrong.
    Fail,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// What a check has found, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it stands.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do, with the command to run; none where nothing is to be done.
    pub fix: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn pass(seen: impl Into<String>) -> Self {
        Self { verdict: Verdict::Pass, seen: seen.into(), fix: None }
    }

    /// Somebody should know.
    pub fn warn(seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, seen: seen.into(), fix: Some(fix.into()) }
    }

    /// It is wrong.
    pub fn fail(seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, seen: seen.into(), fix: Some(fix.into()) }
    }
}
