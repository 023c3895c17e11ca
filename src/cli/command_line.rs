//! The command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use crate::config::file::DEFAULT_PATH;

/// What `--help` prints.
pub const HELP: &str = "\
opterius-agent: keeps the license standing of this server and answers its Opterius Panel

Usage:
  opterius-agent [--config PATH]                  run the daemon in the foreground
  opterius-agent [--config PATH] --check-config   check agent.conf and exit
  opterius-agent [--config PATH] status [--json]  show the license standing of the running daemon
  opterius-agent [--config PATH] doctor [--json]  find what is wrong, and say what mends it
  opterius-agent [--config PATH] reverify         have the running daemon verify now, and show the verdict
  opterius-agent [--config PATH] operation        do the one host operation that is asked on stdin (for the daemon)
  opterius-agent [--config PATH] operation adopt  take the accounts in that are on this server already

Options:
  --config PATH    the configuration file (default: /etc/opterius/agent.conf)
  --check-config   check the configuration file and name the first mistake in it
  --json           print JSON: the status as the daemon answers it, or the doctor's findings
  --version        print the version
  --help           print this help

Exit codes:
  0   all is well; for status and reverify: the license is valid; for doctor: nothing FAILs
  1   a failure while running; for status and reverify: the license is restricted; for doctor: something FAILs
  2   status and reverify: the daemon does not answer, or not with a status
  64  wrong usage
  70  a defect of the program
  77  permission denied
  78  the configuration is wrong

Signals:
  HUP         read agent.conf again and verify the license now
  TERM, INT   finish running requests within 5 seconds and exit; a second one exits at once
";

/// What the program is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the daemon.
    Run {
        /// The configuration file.
        config: PathBuf,
    },
    /// Check the configuration.
    CheckConfig {
        /// The configuration file.
        config: PathBuf,
    },
    /// Show the standing.
    Status {
        /// The configuration file.
        config: PathBuf,
        /// As the daemon answers it.
        json: bool,
    },
    /// Find what is wrong.
    Doctor {
        /// The configuration file.
        config: PathBuf,
        /// As JSON.
        json: bool,
    },
    /// Verify now.
    Reverify {
        /// The configuration file.
        config: PathBuf,
    },
    /// Something with the rights of root that the daemon has not.
    Operation {
        /// The configuration file.
        config: PathBuf,
        /// What it is.
        task: Task,
    },
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// What `operation` is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// The one operation that is asked on stdin.
    Serve,
    /// Take in the accounts of today's hosts.
    Adopt,
    /// Serve a site with the certificate that certbot has just renewed, as certbot's hook.
    Renewed,
}

impl Task {
    /// What the helper calls it; the first is what it does when it is told nothing.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Serve => None,
            Self::Adopt => Some("adopt"),
            Self::Renewed => Some("renewed"),
        }
    }
}

/// Reads the arguments, the program's name first.
///
/// # Errors
/// A sentence that says which of them is wrong.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut config = PathBuf::from(DEFAULT_PATH);
    let (mut check, mut json, mut information) = (false, false, None);
    let mut words: Vec<OsString> = Vec::new();
    let mut parser = Parser::from_iter(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => information = Some(Command::Help),
            Arg::Long("version") | Arg::Short('V') => information = Some(Command::Version),
            Arg::Long("config") => config = parser.value().map_err(|error| error.to_string())?.into(),
            Arg::Long("check-config") => check = true,
            Arg::Long("json") => json = true,
            Arg::Value(value) if words.first().is_none_or(|first| first == "operation") => words.push(value),
            other => return Err(other.unexpected().to_string()),
        }
    }
    if let Some(information) = information {
        return Ok(information);
    }
    let subcommand = words.first().map(|word| word.to_string_lossy().into_owned());
    match (subcommand.as_deref(), check, json) {
        (Some("operation"), false, false) => Ok(Command::Operation { config, task: task(words)? }),
        (None, false, false) => Ok(Command::Run { config }),
        (None, true, false) => Ok(Command::CheckConfig { config }),
        (Some("status"), false, json) => Ok(Command::Status { config, json }),
        (Some("doctor"), false, json) => Ok(Command::Doctor { config, json }),
        (Some("reverify"), false, false) => Ok(Command::Reverify { config }),
        (Some("status" | "doctor" | "reverify" | "operation"), true, _) => {
            Err("--check-config goes without a subcommand".to_owned())
        }
        (_, _, true) => Err("--json goes with status and doctor only".to_owned()),
        (Some(other), ..) => Err(format!("there is no subcommand “{other}”")),
    }
}

fn task(words: Vec<OsString>) -> Result<Task, String> {
    let mut words = words.into_iter().skip(1);
    let task = words.next();
    match (task.as_deref().map(OsStr::to_str), words.next()) {
        (None, None) => Ok(Task::Serve),
        (Some(Some("adopt")), None) => Ok(Task::Adopt),
        (Some(Some("renewed")), None) => Ok(Task::Renewed),
        _ => Err("operation goes alone, or with adopt".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command, String> {
        parse(std::iter::once("opterius-agent").chain(arguments.iter().copied()).map(OsString::from))
    }

    #[test]
    fn every_documented_form_is_understood() {
        let default = || PathBuf::from(DEFAULT_PATH);
        let other = || PathBuf::from("/x/agent.conf");
        let operation = |task| Command::Operation { config: default(), task };
        let table: [(&[&str], Command); 15] = [
            (&[], Command::Run { config: default() }),
            (&["--config", "/x/agent.conf"], Command::Run { config: other() }),
            (&["--config=/x/agent.conf"], Command::Run { config: other() }),
            (&["--check-config"], Command::CheckConfig { config: default() }),
            (&["status"], Command::Status { config: default(), json: false }),
            (&["status", "--json", "--config", "/x/agent.conf"], Command::Status { config: other(), json: true }),
            (&["doctor"], Command::Doctor { config: default(), json: false }),
            (&["--config", "/x/agent.conf", "doctor", "--json"], Command::Doctor { config: other(), json: true }),
            (&["--config", "/x/agent.conf", "reverify"], Command::Reverify { config: other() }),
            (&["operation"], operation(Task::Serve)),
            (&["operation", "adopt"], operation(Task::Adopt)),
            (&["operation", "renewed"], operation(Task::Renewed)),
            (&["--version"], Command::Version),
            (&["--help"], Command::Help),
            (&["status", "--help"], Command::Help),
        ];
        for (arguments, expected) in table {
            assert_eq!(parsed(arguments), Ok(expected), "{arguments:?}");
        }
    }

    #[test]
    fn a_wrong_form_is_named() {
        let table: [(&[&str], &str); 15] = [
            (&["--version=1"], "version"),
            (&["--help=x"], "help"),
            (&["--confg", "x"], "--confg"),
            (&["--config"], "--config"),
            (&["stauts"], "stauts"),
            (&["status", "now"], "now"),
            (&["operation", "adpot"], "adopt"),
            (&["operation", "adopt", "x"], "adopt"),
            (&["operation", "--json"], "--json"),
            (&["--json"], "--json"),
            (&["reverify", "--json"], "--json"),
            (&["status", "--check-config"], "--check-config"),
            (&["doctor", "--check-config"], "--check-config"),
            (&["doctor", "me"], "me"),
            (&["-x"], "-x"),
        ];
        for (arguments, word) in table {
            let sentence = parsed(arguments).unwrap_err();
            assert!(sentence.contains(word), "{arguments:?}: {sentence}");
        }
    }
}
