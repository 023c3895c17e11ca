//! What starts processes of an account without a login: cron, at, and services that run without a session.

use crate::accounts::{at_jobs, crontab, linger};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;
use opterius_host::users::account::Suspended;
use opterius_host::users::register::User;

/// Keeps all of them from starting a process.
///
/// # Errors
/// A file cannot be moved.
pub fn close(host: &Host, username: &Username, user: &User) -> Result<(), Problem> {
    linger::disable(host, username)?;
    crontab::disable(host, username)?;
    at_jobs::disable(host, username, user.uid)
}

/// Restores what a suspension has closed.
///
/// # Errors
/// A file cannot be moved.
pub fn restore(
    host: &Host,
    username: &Username,
    user: &User,
    suspended: &Suspended,
    deadline: Deadline,
) -> Result<(), Problem> {
    crontab::restore(host, username)?;
    at_jobs::restore(host, username, user.uid)?;
    if suspended.linger { linger::restore(host, username, deadline) } else { Ok(()) }
}
