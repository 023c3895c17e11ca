//! What the daemon says about the license, in its own words.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use crate::cli::inquiry::STATUS_PATH;
use crate::doctor::system::System;
use opterius_base::clock::Timestamp;
use opterius_base::text::one_line;

/// The longest text that a finding quotes, in characters.
const MAX_TEXT: usize = 300;

/// The daemon's license status. Another program could be listening on the port, so every text becomes one short line.
#[derive(Clone, Debug)]
pub struct DaemonStatus(Value);

impl DaemonStatus {
    /// Requests it from the daemon at `address`; `None` if the daemon does not answer with a status.
    pub fn query(system: &System<'_>, address: SocketAddr) -> Option<Self> {
        // The kernel chose the port.
        if address.port() == 0 {
            return None;
        }
        let (status, body) = system.probe.daemon(address, STATUS_PATH).ok()?;
        serde_json::from_str(&body).ok().filter(|_| status == 200).map(Self)
    }

    /// The text of this member; empty if it has none.
    pub fn text(&self, name: &str) -> String {
        text(self.0.get(name))
    }

    /// The instant of this member.
    pub fn instant(&self, name: &str) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(&self.text(name))
    }

    /// Whether the file was written, put in its place, or got another owner or mode after the daemon read its configuration.
    pub fn predates(&self, file: &Path) -> bool {
        let changed_at = fs::metadata(file).map(|file| Timestamp::from_unix(file.mtime().max(file.ctime())));
        let read_at = self.instant("config_read_at");
        changed_at.ok().zip(read_at).is_some_and(|(changed_at, read_at)| changed_at > read_at)
    }

    /// The verdict of the latest check; empty before the first one.
    pub fn latest_verdict(&self) -> String {
        text(self.0.get("recent_checks").and_then(|checks| checks.get(0)?.get("verdict")))
    }

    /// Whether the daemon allows changes.
    pub fn is_valid(&self) -> bool {
        self.0.get("valid").and_then(Value::as_bool) == Some(true)
    }

    /// The number of this member.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }
}

fn text(value: Option<&Value>) -> String {
    one_line(value.and_then(Value::as_str).unwrap_or_default(), MAX_TEXT)
}
