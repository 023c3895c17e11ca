//! The host's time zone, read from files.

use std::fs;
use std::path::Path;

use opterius_host::host::Host;
use opterius_host::lines;

/// The link to the zone's file.
pub const LOCALTIME: &str = "/etc/localtime";

/// The zone's name as text, for programs that read this file.
pub const TIMEZONE: &str = "/etc/timezone";

/// The name of the host's time zone; UTC if none is set.
pub fn timezone(host: &Host) -> String {
    let linked = fs::read_link(host.path(LOCALTIME)).ok();
    let linked = linked.as_deref().and_then(Path::to_str).and_then(|path| path.split_once("zoneinfo/"));
    let written = || Some(lines::text(&host.path(TIMEZONE), lines::MAX_FILE).trim().to_owned());
    let named = linked.map(|(_, name)| name.to_owned()).or_else(written);
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| "UTC".to_owned())
}
