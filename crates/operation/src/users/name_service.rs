//! The users and groups that the machine's name service knows: those of its files, and those of a directory such as LDAP
//! (nsswitch.conf(5)). A host that is a directory tree has its files only.

use std::time::Duration;

use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::tool::Tool;

/// Time limit for one answer.
const TIME: Duration = Duration::from_secs(10);

/// What getent(1) exits with if there is no such entry.
const NOT_FOUND: i32 = 2;

/// Whether there is a user with this name or uid.
///
/// # Errors
/// The name service does not answer.
pub fn has_user(host: &Host, key: &str, deadline: Deadline) -> Result<bool, Problem> {
    has(host, "passwd", key, deadline)
}

/// Whether there is a group with this name or gid.
///
/// # Errors
/// The name service does not answer.
pub fn has_group(host: &Host, key: &str, deadline: Deadline) -> Result<bool, Problem> {
    has(host, "group", key, deadline)
}

fn has(host: &Host, database: &str, key: &str, deadline: Deadline) -> Result<bool, Problem> {
    if !host.is_machine() {
        return Ok(false);
    }
    let output = Tool::named("getent")?.args([database, key]).run(deadline.sooner(TIME));
    let cause = match output {
        Ok(output) if output.is_success() => return Ok(true),
        Ok(output) if output.code == Some(NOT_FOUND) => return Ok(false),
        Ok(output) => output.complaint(),
        Err(problem) => problem.message(),
    };
    Err(Problem::Unavailable(format!(
        "This server's name service does not answer, so the Agent cannot see whether “{key}” is taken: {cause} Check it with: \
         getent {database} {key}"
    )))
}
