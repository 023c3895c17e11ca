//! What was packed or unpacked, and what was left out.

use serde_json::{Value, json};

use crate::files::archive::MAX_ENTRIES;
use crate::files::home::shown;
use opterius_host::problem::Problem;

/// Longest name of an entry in a message, in bytes.
const MAX_SHOWN: usize = 100;

/// What was packed or unpacked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files, directories and links.
    pub entries: u64,
    /// What was left out.
    pub skipped: u64,
    /// What was left out first, and why.
    pub first_skipped: Option<String>,
}

impl Summary {
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
        if self.entries.saturating_add(self.skipped) <= MAX_ENTRIES {
            return Ok(());
        }
        let sentence =
            format!("An archive may have at most {MAX_ENTRIES} files and directories, and this one has more.");
        Err(Problem::Conflict(sentence))
    }

    /// The answer, with the action and the path of what was made.
    pub fn to_json(&self, action: &str, path: &str) -> Value {
        let warning = |first: &String| match self.skipped {
            1 => format!("Left out: {first}."),
            more => format!("Left out: {more} files; the first of them, {first}."),
        };
        let warnings: Vec<String> = self.first_skipped.iter().map(warning).collect();
        json!({"action": action, "path": path, "entries": self.entries, "skipped": self.skipped, "warnings": warnings})
    }
}

/// A name from an archive or a directory, for messages.
pub fn name_shown(name: &[u8]) -> String {
    shown(String::from_utf8_lossy(name.get(..MAX_SHOWN).unwrap_or(name)))
}
