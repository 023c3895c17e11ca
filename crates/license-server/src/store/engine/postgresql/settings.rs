//! The settings of a connection string, before they mean something.

use std::time::Duration;

use zeroize::Zeroizing;

/// The most seconds of any of the times.
const MAX_SECONDS: u64 = 3600;

/// What a string can set. The password among the values is wiped from memory.
pub(super) const KEYWORDS: [&str; 19] = [
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
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Settings of libpq, and the values with which they ask for nothing that is not done anyway.
const DONE_ANYWAY: [(&str, &[&str]); 5] = [
    ("channel_binding", &["disable", "prefer"]),
    ("client_encoding", &["UTF8", "utf8", "UTF-8", "utf-8"]),
    ("gssencmode", &["disable", "prefer"]),
    ("load_balance_hosts", &["disable"]),
    ("sslsni", &["1"]),
];

/// Settings of libpq that are not supported, and what to do instead.
const REMEDIES: [(&str, &str); 10] = [
    ("channel_binding", "with sslmode=verify-full the certificate says who answers. Leave channel_binding away"),
    ("client_encoding", "it is always UTF8. Leave client_encoding away"),
    ("gssencmode", "connections are encrypted with TLS. Leave gssencmode away"),
    ("load_balance_hosts", "the hosts are tried in their order. Leave load_balance_hosts away"),
    ("options", "set it for the role instead: ALTER ROLE user SET name = value"),
    ("service", "service files are not read. Write the settings of the service here"),
    ("ssl", "write sslmode=verify-full"),
    ("sslcrl", "lists of revoked certificates are not read"),
    ("sslpassword", "write the key of sslkey without a passphrase, in a file that only the license server can read"),
    ("sslsni", "the name of the server is always sent. Leave sslsni away"),
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
            if !KEYWORDS.contains(&keyword.as_str()) && !is_done_anyway(keyword, value) {
                if let Some((_, remedy)) = REMEDIES.iter().find(|(known, _)| known == keyword) {
                    return Err(format!("the setting “{keyword}” is not supported: {remedy}"));
                }
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

/// Whether a setting of libpq asks for nothing that is not done anyway. An empty value is none.
fn is_done_anyway(keyword: &str, value: &str) -> bool {
    let is_known = REMEDIES.iter().any(|(known, _)| *known == keyword);
    let has_value = |values: &[&str]| values.contains(&value);
    (is_known && value.is_empty()) || DONE_ANYWAY.iter().any(|(known, values)| *known == keyword && has_value(values))
}
