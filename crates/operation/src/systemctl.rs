//! systemctl(1), with time limits: a tenant can keep systemd busy with messages, and operations go on without it.

use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::notifications;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::tool::{Output, Tool};

/// Time limit for one call, which usually takes milliseconds.
pub const TIME: Duration = Duration::from_secs(5);

/// Time limit for reading all units again: 0.1 s for 5,000 accounts.
const FILES_TIME: Duration = Duration::from_secs(20);

/// Time limit for the answer that a healthy systemd gives in milliseconds.
const PROBE_TIME: Duration = Duration::from_secs(3);

/// Time limit for each further call of this process, once systemd has not answered one.
const BUSY_TIME: Duration = Duration::from_secs(1);

/// Runs systemctl with these arguments.
///
/// # Errors
/// systemd does not answer in time.
pub fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, deadline: Deadline) -> Result<Output, Problem> {
    run_within(TIME, arguments, deadline)
}

/// Runs systemctl, and treats any exit code but 0 as an error.
///
/// # Errors
/// systemd does not answer in time, or systemctl failed; the message includes its output.
pub fn succeed(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, deadline: Deadline) -> Result<Output, Problem> {
    succeed_within(TIME, arguments, deadline)
}

/// Like [`succeed`], for what systemd needs up to `time` for.
///
/// # Errors
/// Those of [`succeed`].
pub fn succeed_within(
    time: Duration,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    deadline: Deadline,
) -> Result<Output, Problem> {
    let output = run_within(time, arguments, deadline)?;
    if output.is_success() { Ok(output) } else { Err(Problem::failure(output.complaint())) }
}

/// Makes systemd read the files of all units again.
///
/// # Errors
/// Those of [`succeed`].
pub fn reload_files(deadline: Deadline) -> Result<(), Problem> {
    succeed_within(FILES_TIME, ["daemon-reload"], deadline).map(drop)
}

/// Like [`run`], for what systemd needs up to `time` for.
///
/// # Errors
/// Those of [`run`].
pub fn run_within(
    time: Duration,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    deadline: Deadline,
) -> Result<Output, Problem> {
    static IS_BUSY: AtomicBool = AtomicBool::new(false);
    let arguments: Vec<OsString> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
    let run = |time| Tool::named("systemctl")?.args(&arguments).run(deadline.sooner(time));
    let time = if IS_BUSY.load(Ordering::Relaxed) { BUSY_TIME } else { time };
    let mut result = run(time);
    if matches!(result, Err(Problem::TimedOut(_))) && notifications::close_to_accounts() {
        let _ = Tool::named("systemctl")?.arg("daemon-reload").run(deadline.sooner(TIME));
        result = run(time);
    }
    match result {
        Err(Problem::TimedOut(_)) => {
            IS_BUSY.store(true, Ordering::Relaxed);
            Err(Problem::TimedOut(UNANSWERED.to_owned()))
        }
        result => result,
    }
}

/// Asks systemd for anything, so that a flood of messages ends before an operation makes other programs depend on systemd: a
/// reloaded nginx, for example, which asks for its user. Without an answer, the operation goes on.
pub fn probe(host: &Host, deadline: Deadline) {
    if host.has_systemd() {
        let _ = run_within(PROBE_TIME, ["show", "--property=Version"], deadline);
    }
}

const UNANSWERED: &str = "systemd did not do it in time. If systemctl list-jobs shows a unit that is waited for, end its \
                          processes: systemctl kill -s KILL UNIT. If process 1 uses a whole processor, a user floods it with \
                          messages: find the user with top, and suspend that account. Then repeat the operation.";
