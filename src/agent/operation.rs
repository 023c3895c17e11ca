//! `operation`: what is done with the rights of root. Which host it is done to, and who issues certificates, is read from
//! agent.conf, and only from one that nobody but root can have written.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::geteuid;

use crate::agent::command_line::Task;
use crate::agent::{PROGRAM, complain, configuration};
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
        Task::Adopt => match host(config) {
            Ok(host) => take_in(&host),
            Err(sentence) => {
                complain(&sentence);
                EXIT_PERMISSION
            }
        },
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

fn take_in(host: &Host) -> u8 {
    match adopt::adopt(host, crate::operations::deadline::Deadline::within(ADOPTION)) {
        Ok(adopted) if adopted.is_empty() => say("All accounts of this server are known already.\n"),
        Ok(adopted) => {
            let names: Vec<String> = adopted.iter().map(|name| format!("Taken in: {name}\n")).collect();
            say(&names.concat())
        }
        Err(problem) => {
            complain(&Problem::message(&problem));
            EXIT_FAILURE
        }
    }
}
