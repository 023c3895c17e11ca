//! `/system/timezone`: sets the host's time zone.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::system::timezone::{LOCALTIME, TIMEZONE};
use crate::transaction::Transaction;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::system_timezone::SetTimezone;

/// The time zone database.
const DATABASE: &str = "/usr/share/zoneinfo";

/// The first bytes of a file in the database (RFC 8536 §3.1).
const MAGIC: &[u8; 4] = b"TZif";

impl Perform for SetTimezone {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        Transaction::run(host, deadline, |_| set(host, &self.timezone))
    }
}

fn set(host: &Host, timezone: &str) -> Result<Value, Problem> {
    check(host, timezone)?;
    let (link, file) = (host.path(LOCALTIME), host.path(TIMEZONE));
    replace_link(&link, &Path::new(DATABASE).join(timezone)).map_err(|error| Problem::at(&link, error))?;
    files::replace(&file, format!("{timezone}\n").as_bytes(), FileMode::mode(0o644))
        .map_err(|error| Problem::at(&file, error))?;
    Ok(json!({"timezone": timezone}))
}

/// Checks that the zone is a file in the database. Its name must start with a capital letter: other entries are copies of
/// the database with different rules (`posix`, `right`) or the host's own zone (`localtime`).
fn check(host: &Host, timezone: &str) -> Result<(), Problem> {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-'))
    };
    let is_name = timezone.starts_with(|first: char| first.is_ascii_uppercase()) && timezone.split('/').all(is_word);
    if is_name && is_zone(&database(host).join(timezone)) {
        return Ok(());
    }
    Err(Problem::invalid("timezone", "must be a name from the time zone database, such as Europe/Berlin"))
}

/// The host's database; the machine's if the host is a directory tree without one.
fn database(host: &Host) -> PathBuf {
    Some(host.path(DATABASE)).filter(|path| path.is_dir()).unwrap_or_else(|| PathBuf::from(DATABASE))
}

fn is_zone(path: &Path) -> bool {
    let mut begin = [0; MAGIC.len()];
    // Only open regular files: opening other files can block.
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file && File::open(path).and_then(|mut file| file.read_exact(&mut begin)).is_ok() && begin == *MAGIC
}

/// Atomically replaces a link.
fn replace_link(link: &Path, target: &Path) -> std::io::Result<()> {
    let new = link.with_extension("new");
    // A killed process may have left one.
    let _ = fs::remove_file(&new);
    symlink(target, &new)?;
    fs::rename(&new, link)
}

#[cfg(test)]
#[path = "system_timezone_tests.rs"]
mod tests;
