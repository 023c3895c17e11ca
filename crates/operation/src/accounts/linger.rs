//! systemd's mark of a user whose services run without a session, see loginctl(1).

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;
use opterius_host::tool::Tool;

/// Time limit for the login manager.
const TIME: Duration = Duration::from_secs(5);

fn path(host: &Host, username: &Username) -> PathBuf {
    host.path("/var/lib/systemd/linger").join(username.as_str())
}

/// Whether the user's services run without a session.
pub fn is_enabled(host: &Host, username: &Username) -> bool {
    path(host, username).exists()
}

/// Removes the mark. The user's services end with its processes.
///
/// # Errors
/// It cannot be removed.
pub fn disable(host: &Host, username: &Username) -> Result<(), Problem> {
    let path = path(host, username);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Problem::at(&path, error)),
        _ => Ok(()),
    }
}

/// Sets the mark again, and starts the user's services.
///
/// # Errors
/// The mark cannot be set.
pub fn restore(host: &Host, username: &Username, deadline: Deadline) -> Result<(), Problem> {
    if host.has_systemd() {
        let tool = Tool::named("loginctl")?.args(["enable-linger", "--", username.as_str()]);
        if tool.run(deadline.sooner(TIME)).is_ok_and(|output| output.is_success()) {
            return Ok(());
        }
    }
    // The login manager does not run, and looks for the mark when it starts.
    let path = path(host, username);
    let made = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    made.map(drop).map_err(|error| Problem::at(&path, error))
}
