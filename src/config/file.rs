//! The file agent.conf.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::config::parsing;
use crate::config::{EXAMPLE_SECRET, EXAMPLE_WARNING, Loaded};
use opterius_daemon::config_file::{self, Error};

/// Where the installers put the file.
pub const DEFAULT_PATH: &str = "/etc/opterius/agent.conf";

/// What to do where there is no file.
const CREATION: &str = "Create it with at least the line secret=… (dist/agent.conf is an example)";

/// The widest mode that keeps other users out.
pub const MODE: u32 = 0o640;

/// Public keys that a vendor built in: then no others are accepted.
const BUILT_IN_KEYS: Option<&str> = option_env!("OPTERIUS_LICENSE_PUBLIC_KEYS");

/// Reads and checks the file for the daemon to run with.
///
/// # Errors
/// One sentence with file, line, key and remedy.
pub fn load(path: &Path) -> Result<Loaded, Error> {
    let loaded = check(path)?;
    if loaded.configuration.secret.expose() == EXAMPLE_SECRET {
        return Err(Error::Invalid(format!("{}: {EXAMPLE_WARNING}", path.display())));
    }
    Ok(loaded)
}

/// Reads and checks the file.
///
/// # Errors
/// One sentence with file, line, key and remedy.
pub fn check(path: &Path) -> Result<Loaded, Error> {
    let text = config_file::read(path, CREATION)?;
    let loaded = parsing::parse(&text, &path.display().to_string(), BUILT_IN_KEYS)?;
    // By directory and name, not by what a link leads to: the cache replaces a link and does not follow it.
    let place = |file: &Path| Some((fs::canonicalize(file.parent()?).ok()?, file.file_name()?.to_owned()));
    let cache = &loaded.configuration.license.cache;
    if cache == path || (place(cache).is_some() && place(cache) == place(path)) {
        return Err(Error::Invalid(format!(
            "{0}: license_cache must not be {0} itself: it is overwritten",
            path.display()
        )));
    }
    Ok(loaded)
}

/// Takes other users' rights to the file away where we may; the sentence to log where something was or is wrong.
pub fn tighten(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let mode = metadata.mode() & 0o7777;
    let wide = mode & !MODE & 0o777;
    if wide == 0 {
        return None;
    }
    let shown = path.display();
    let narrow = mode & MODE;
    Some(match fs::set_permissions(path, fs::Permissions::from_mode(narrow)) {
        Ok(()) => format!(
            "{shown} had mode {mode:04o}, so other users could read the secret in it or change it; it now has {narrow:04o}. \
             Consider a new secret, here and in the Panel (Servers → Edit)"
        ),
        Err(error) => format!(
            "{shown} has mode {mode:04o}: other users can read the secret in it or change it. Run: chown root:opterius {shown}; chmod 0640 {shown} ({error})"
        ),
    })
}
