//! The settings of a connection string, before they mean something.

use std::time::Duration;

use zeroize::Zeroizing;

/// The most seconds of any of the times.
const MAX_SECONDS: u64 = 3600;

/// What a string can set. The password among the values is wiped from memory.
pub(super) const KEYWORDS: [&str; 17] = [
    "application_name",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "passfile",
    "password",
    "port",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Keywords and values, in the order of the string.
#[derive(Default)]
pub(super) struct Settings(Vec<(String, Zeroizing<String>)>);

impl Settings {
    /// Adds a setting.
    pub(super) fn add(&mut self, keyword: String, value: String) {
        self.0.push((keyword, Zeroizing::new(value)));
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The value of a keyword: the last one, if it is not empty.
    pub(super) fn get(&self, keyword: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(found, _)| found == keyword);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The time of a keyword, in seconds.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn seconds(&self, keyword: &str) -> Result<Option<Duration>, String> {
        let Some(value) = self.get(keyword) else { return Ok(None) };
        let seconds = value.parse().ok().filter(|seconds| (1..=MAX_SECONDS).contains(seconds));
        let seconds =
            seconds.ok_or_else(|| format!("{keyword} must be a number of seconds from 1 to {MAX_SECONDS}"))?;
        Ok(Some(Duration::from_secs(seconds)))
    }

    /// Refuses what cannot be set, and a NUL, which ends a text in PostgreSQL's protocol.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut is_behind_password = false;
        for (number, (keyword, value)) in (1_usize..).zip(&self.0) {
            if value.contains('\0') {
                return Err(format!("setting {number} has a NUL character"));
            }
            if !KEYWORDS.contains(&keyword.as_str()) {
                // A password with a blank and without quotes goes on in the next word.
                let is_name = keyword.chars().all(|character| character.is_ascii_lowercase() || character == '_');
                let name = if is_name && !is_behind_password {
                    format!("“{keyword}”")
                } else {
                    format!("number {number}")
                };
                return Err(format!("the setting {name} is not supported. Supported are: {}", KEYWORDS.join(", ")));
            }
            is_behind_password |= keyword == "password";
        }
        Ok(())
    }
}
