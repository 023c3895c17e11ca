//! Locking a tenant out: nothing can start processes of the account any more, and those that ran have ended.
//!
//! The processes end first, because one of them may hold the lock that the change of the login needs. What they started
//! meanwhile ends afterwards, with [`end`]; between the two, the caller disables what else runs as the user, such as PHP.

use std::time::Duration;

use log::warn;

use crate::accounts::sources;
use crate::servers::php::masters;
use crate::users::{end_processes, user};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;
use opterius_host::users::register::User;

/// Time limit for the first attempt to end the processes, which may include PHP's, whose pools still start new ones.
const FIRST_TIME: Duration = Duration::from_secs(4);

/// Disables the account's login and everything that starts its processes without a login.
///
/// # Errors
/// The login cannot be disabled. Repeating the call completes it.
pub fn lock_out(host: &Host, username: &Username, user: &User, deadline: Deadline) -> Result<(), Problem> {
    sources::close(host, username, user)?;
    if let Err(problem) = masters::stop_all_of(host, username.as_str(), deadline) {
        warn!("Before the login of “{username}” is disabled: {}", problem.message());
    }
    if let Err(problem) = end_processes::end_all(host, user, deadline.sooner(FIRST_TIME)) {
        // The login is disabled in any case.
        warn!("Before the login of “{username}” is disabled: {}", problem.message());
    }
    user::disable_login(host, username, deadline)
}

/// Ends all processes of an account that is locked out, and closes again what they may have opened. Returns warnings.
///
/// # Errors
/// A process cannot be ended. Repeating the call completes it.
pub fn end(host: &Host, username: &Username, user: &User, deadline: Deadline) -> Result<Vec<String>, Problem> {
    // A unit that systemd does not stop keeps no process alive.
    let stopped = masters::stop_all_of(host, username.as_str(), deadline);
    let ended = end_processes::end_all(host, user, deadline);
    sources::close(host, username, user)?;
    ended?;
    // A job may have started between the two.
    end_processes::end_all(host, user, deadline)?;
    stopped
}
