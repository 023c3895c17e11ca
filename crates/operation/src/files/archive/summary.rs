//! What was packed or unpacked, and what was left out.

use serde_json::{Value, json};

use crate::files::archive::Limits;
use crate::files::home::shown;
use opterius_host::problem::Problem;

/// Longest name of an entry in a message, in bytes.
const MAX_SHOWN: usize = 100;

/// What was packed or unpacked.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    /// Files, directories and links.
    pub entries: u64,
    /// What was left out.
    pub skipped: u64,
    /// The bytes of the files.
    pub bytes: u64,
    /// What was left out first, and why.
    pub first_skipped: Option<String>,
    /// How much is allowed.
    pub limits: Limits,
}

impl Summary {
    /// Of nothing yet.
    pub fn within(limits: Limits) -> Self {
        Self { entries: 0, skipped: 0, bytes: 0, first_skipped: None, limits }
    }

    /// Counts bytes of a file; false if there are too many.
    pub fn add_bytes(&mut self, bytes: u64) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.bytes <= self.limits.bytes
    }

    /// Counts something that is left out.
    ///
    /// # Errors
    /// There is too much.
    pub fn skip(&mut self, name: &[u8], why: &str) -> Result<(), Problem> {
        self.skipped = self.skipped.saturating_add(1);
        self.first_skipped.get_or_insert_with(|| format!("“{}” {why}", name_shown(name)));
        self.check()
    }

    /// Counts something that is not left out.
    ///
    /// # Errors
    /// There are too many.
    pub fn count(&mut self) -> Result<(), Problem> {
        self.entries = self.entries.saturating_add(1);
        self.check()
    }

    fn check(&self) -> Result<(), Problem> {
        if self.entries.saturating_add(self.skipped) <= self.limits.entries {
            return Ok(());
        }
        Err(self.limits.too_many())
    }

    /// Warnings for the answer.
    pub fn warnings(&self) -> Vec<String> {
        let warning = |first: &String| match self.skipped {
            1 => format!("Left out: {first}."),
            more => format!("Left out: {more} files; the first of them, {first}."),
        };
        self.first_skipped.iter().map(warning).collect()
    }

    /// The answer, with the action and the path of what was made.
    pub fn to_json(&self, action: &str, path: &str) -> Value {
        let (entries, skipped) = (self.entries, self.skipped);
        json!({"action": action, "path": path, "entries": entries, "skipped": skipped, "warnings": self.warnings()})
    }
}

/// A name from an archive or a directory, for messages.
pub fn name_shown(name: &[u8]) -> String {
    shown(String::from_utf8_lossy(name.get(..MAX_SHOWN).unwrap_or(name)))
}
