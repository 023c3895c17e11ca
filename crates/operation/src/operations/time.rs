//! The clock and the time zone of the host.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, Rights};
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::tool::Tool;

/// The time zone database.
const DATABASE: &str = "/usr/share/zoneinfo";

/// The link that says which zone it is.
const LOCALTIME: &str = "/etc/localtime";

/// The same in words, for those that read these.
const TIMEZONE: &str = "/etc/timezone";

/// What a file of the database begins with (RFC 8536 §3.1).
const MAGIC: &[u8; 4] = b"TZif";

/// What time it is, in which zone, and who says so.
///
/// # Errors
/// systemd does not answer.
pub fn now(host: &Host, deadline: Deadline) -> Result<Value, Problem> {
    let mut answer = if host.has_systemd() {
        let clock = Tool::named("timedatectl")?.arg("show").succeed(deadline)?.stdout;
        // It fails where another program than systemd's own sets the clock; then nobody tells from whom.
        let source = Tool::named("timedatectl")?.args(["show-timesync", "--all"]).run(deadline)?.stdout;
        synchronization(&clock, &source)
    } else {
        synchronization("", "")
    };
    answer.insert("unix_seconds".to_owned(), json!(SystemClock.wall().unix()));
    // From the files: timedatectl goes on telling the zone before for a while.
    answer.insert("timezone".to_owned(), json!(timezone(host)));
    Ok(Value::Object(answer))
}

/// Whether and from whom the clock is set, from two outputs of timedatectl.
fn synchronization(clock: &str, source: &str) -> Map<String, Value> {
    let property = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    };
    let mut told = Map::new();
    told.insert("ntp_synced".to_owned(), json!(property(clock, "NTPSynchronized").as_deref() == Some("yes")));
    let servers = ["LinkNTPServers", "SystemNTPServers", "FallbackNTPServers"];
    let servers = servers.iter().find_map(|name| property(source, name).filter(|value| !value.is_empty()));
    if let Some(servers) = servers {
        told.insert("ntp_servers".to_owned(), servers.split_ascii_whitespace().collect());
    }
    // One line holds the last answer of a server, members between commas.
    let message = property(source, "NTPMessage").unwrap_or_default();
    let received = message.split(", ").find_map(|member| member.trim().strip_prefix("DestinationTimestamp="));
    if let Some(received) = received {
        told.insert("ntp_last_sync".to_owned(), json!(received));
    }
    told
}

/// The zone as the host's files name it.
fn timezone(host: &Host) -> String {
    let linked = fs::read_link(host.path(LOCALTIME)).ok();
    let linked = linked.as_deref().and_then(Path::to_str).and_then(|path| path.split_once("zoneinfo/"));
    let written = || fs::read_to_string(host.path(TIMEZONE)).ok().map(|text| text.trim().to_owned());
    let named = linked.map(|(_, name)| name.to_owned()).or_else(written);
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| "UTC".to_owned())
}

/// Sets the zone of the host.
///
/// # Errors
/// There is no such zone, or it cannot be set.
pub fn set_timezone(host: &Host, timezone: &str, _deadline: Deadline) -> Result<Value, Problem> {
    check(host, timezone)?;
    let (link, file) = (host.path(LOCALTIME), host.path(TIMEZONE));
    replace_link(&link, &Path::new(DATABASE).join(timezone)).map_err(|error| Problem::at(&link, error))?;
    files::replace(&file, format!("{timezone}\n").as_bytes(), Rights::mode(0o644))
        .map_err(|error| Problem::at(&file, error))?;
    Ok(json!({"timezone": timezone}))
}

/// A zone is a file of the database. Its name begins with a capital: what does not is a copy of the database with other
/// rules (`posix`, `right`) or the host's own zone (`localtime`).
fn check(host: &Host, timezone: &str) -> Result<(), Problem> {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-'))
    };
    let is_name = timezone.starts_with(|first: char| first.is_ascii_uppercase()) && timezone.split('/').all(is_word);
    if is_name && is_zone(&database(host).join(timezone)) {
        return Ok(());
    }
    Err(Problem::invalid("timezone", "must be a name of the time zone database such as Europe/Berlin"))
}

/// The host's database; the machine's where a tree that stands for a host has none.
fn database(host: &Host) -> PathBuf {
    Some(host.path(DATABASE)).filter(|path| path.is_dir()).unwrap_or_else(|| PathBuf::from(DATABASE))
}

fn is_zone(path: &Path) -> bool {
    let mut begin = [0; MAGIC.len()];
    // Nothing but a regular file is opened: it is root's own directory, but what is in it is not ours.
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file && File::open(path).and_then(|mut file| file.read_exact(&mut begin)).is_ok() && begin == *MAGIC
}

/// Puts a link in the place of another one: there is one at every moment.
fn replace_link(link: &Path, target: &Path) -> std::io::Result<()> {
    let new = link.with_extension("new");
    // Left behind by a process that was killed.
    let _ = fs::remove_file(&new);
    symlink(target, &new)?;
    fs::rename(&new, link)
}

#[cfg(test)]
#[path = "time_tests.rs"]
mod tests;
