//! The command line: arguments in, exit code out. What the commands are is in [`crate::server::commands::forms`].

use std::ffi::OsString;
use std::process::ExitCode;

use crate::process::EXIT_USAGE;
use crate::process::output::{complain, say};
use crate::server::commands::parsing::parse;
use crate::server::commands::task::Command;
use crate::server::commands::{forms, run};
use crate::server::{PROGRAM, demo, serve};

/// Runs the program with these arguments, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let code = match parse(arguments) {
        Ok(Command::Help(None)) => say(&forms::help()),
        Ok(Command::Help(Some(forms))) => say(&forms::help_of(&forms)),
        Ok(Command::Version) => say(concat!("opterius-license-server ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Serve { config }) => serve::start(&config),
        Ok(Command::Demo(ports)) => demo::start(ports),
        Ok(Command::Task { config, task }) => run(&config, &task),
        Err(sentence) => {
            complain(PROGRAM.name, &sentence);
            EXIT_USAGE
        }
    };
    ExitCode::from(code)
}
