//! The command line: arguments in, exit code out. The commands are defined in [`crate::commands::specs`].

use std::ffi::OsString;
use std::process::ExitCode;

use crate::commands::parsing::{Command, parse};
use crate::commands::{run, specs};
use crate::{PROGRAM, deliver, serve};
use opterius_daemon::EXIT_USAGE;
use opterius_daemon::output::{complain, say};

/// Runs the program with these arguments; the first is the program name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let code = match parse(arguments) {
        Ok(Command::Help(None)) => say(&specs::help()),
        Ok(Command::Help(Some(specs))) => say(&specs::help_of(&specs)),
        Ok(Command::Version) => say(concat!("opterius-license-server ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Serve { config_file }) => serve::start(&config_file),
        Ok(Command::Deliver { config_file }) => deliver::start(&config_file),
        Ok(Command::Task { config_file, task }) => run(&config_file, &task),
        Err(sentence) => {
            complain(PROGRAM.name, &sentence);
            EXIT_USAGE
        }
    };
    ExitCode::from(code)
}
