//! Reading and checking the file agent.conf.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::config::parsing;
use crate::config::{EXAMPLE_SECRET, EXAMPLE_WARNING, Loaded};
use opterius_base::text::cause;
use opterius_daemon::config_file::{self, Error};

/// Where the installers create the file.
pub const DEFAULT_PATH: &str = opterius_host::layout::CONFIG;

/// The fix for a missing file.
const CREATION: &str = "Create it with at least the line secret=… (dist/agent.conf is an example)";

/// The most permissive mode that keeps other users out.
pub const MODE: u32 = 0o640;

/// Public keys that a vendor built in; they exclude configured ones.
const BUILT_IN_KEYS: Option<&str> = option_env!("OPTERIUS_LICENSE_PUBLIC_KEYS");

/// Reads and checks the file; rejects the example's secret.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn load(path: &Path) -> Result<Loaded, Error> {
    let loaded = check(path)?;
    if loaded.config.secret.expose() == EXAMPLE_SECRET {
        return Err(Error::Invalid(format!("{}: {EXAMPLE_WARNING}", path.display())));
    }
    Ok(loaded)
}

/// Reads and checks the file.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn check(path: &Path) -> Result<Loaded, Error> {
    let text = config_file::read(path, CREATION)?;
    let loaded = parsing::parse(&text, &path.display().to_string(), BUILT_IN_KEYS)?;
    // Compare directory and name, not link targets: writing the cache replaces a link instead of following it.
    let place = |file: &Path| Some((fs::canonicalize(file.parent()?).ok()?, file.file_name()?.to_owned()));
    let cache = &loaded.config.license.cache;
    if cache == path || (place(cache).is_some() && place(cache) == place(path)) {
        return Err(Error::Invalid(format!(
            "{0}: license_cache must not be {0} itself: the Agent would overwrite it",
            path.display()
        )));
    }
    Ok(loaded)
}

/// Removes other users' access to the file if possible; returns a warning if they had or have access.
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
            "{shown} had mode {mode:04o}, so other users could read the secret or change the file; it now has {narrow:04o}. \
             Consider a new secret, here and in the Panel (Servers → Edit)"
        ),
        Err(error) => format!(
            "{shown} has mode {mode:04o}: other users can read the secret or change the file. Run: chown root:opterius {shown}; chmod 0640 {shown} ({})",
            cause(&error)
        ),
    })
}
