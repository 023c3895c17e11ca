//! `operation`: what is done with the rights of root. Which host it is done to, and who issues certificates, is read from
//! agent.conf, and only from one that nobody but root can have written.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::geteuid;

use crate::agent::command_line::Task;
use crate::agent::{PROGRAM, complain, configuration};
use crate::operations::certificate::issue;
use crate::operations::deadline::Deadline;
use crate::operations::entry::LONGEST;
use crate::operations::host::Host;
use crate::operations::problem::Problem;
use crate::operations::{adopt, entry};
use crate::process::log::Logger;
use crate::process::log::SYSLOG_SOCKET;
use crate::process::output::say;
use crate::process::{EXIT_FAILURE, EXIT_PERMISSION};

/// What taking accounts in may take.
const ADOPTION: Duration = Duration::from_secs(600);

/// Does it; returns the exit code.
pub fn run(config: &Path, task: &Task) -> u8 {
    match task {
        Task::Serve => match entry::serve(host(config)) {
            Ok(()) => 0,
            Err(error) => {
                complain(&format!("the answer cannot be given: {error}"));
                EXIT_FAILURE
            }
        },
        Task::Adopt => on_host(config, take_in),
        Task::Renewed => on_host(config, renewed),
    }
}

fn on_host(config: &Path, task: impl FnOnce(&Host) -> Result<String, Problem>) -> u8 {
    let host = match host(config) {
        Ok(host) => host,
        Err(sentence) => {
            complain(&sentence);
            return EXIT_PERMISSION;
        }
    };
    match task(&host) {
        Ok(said) => say(&said),
        Err(problem) => {
            complain(&problem.message());
            EXIT_FAILURE
        }
    }
}

/// The host to work on.
///
/// # Errors
/// We are not root, or the configuration cannot be trusted.
fn host(config: &Path) -> Result<Host, String> {
    if !geteuid().is_root() {
        return Err("operations need the rights of root".to_owned());
    }
    let shown = config.display();
    let metadata = fs::metadata(config).map_err(|error| format!("{shown}: {error}"))?;
    if metadata.uid() != 0 || metadata.mode() & 0o022 != 0 {
        return Err(format!(
            "{shown} could have been written by others than root, and operations are not done by it. Run: chown \
             root:opterius {shown}; chmod 0640 {shown}"
        ));
    }
    let loaded = configuration::check(config).map_err(|error| error.to_string())?;
    Logger::new(PROGRAM.name, loaded.configuration.log, Path::new(SYSLOG_SOCKET)).install();
    Ok(loaded.configuration.host(config))
}

fn take_in(host: &Host) -> Result<String, Problem> {
    let adopted = adopt::adopt(host, Deadline::within(ADOPTION))?;
    if adopted.is_empty() {
        return Ok("All accounts of this server are known already.\n".to_owned());
    }
    Ok(adopted.iter().map(|name| format!("Taken in: {name}\n")).collect())
}

/// certbot names the certificate in its hook's environment.
fn renewed(host: &Host) -> Result<String, Problem> {
    let lineage = env::var_os("RENEWED_LINEAGE").ok_or_else(|| {
        Problem::Unavailable("RENEWED_LINEAGE is not set: this is for certbot's deploy hook alone".to_owned())
    })?;
    issue::renewed(host, Path::new(&lineage), Deadline::within(LONGEST))?;
    Ok(String::new())
}
