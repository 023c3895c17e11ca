//! The program: command line, configuration, and the wiring of the other rooms.

pub mod command_line;
pub mod configuration;
pub mod daemon;
pub mod doctor;
pub mod inquiry;
pub mod keys;
pub mod operation;
pub mod parsing;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::agent::command_line::Command;
use crate::process::output::{self, say};
use crate::process::{EXIT_USAGE, Program};

/// What the daemon calls itself.
pub const PROGRAM: Program = Program { name: "opterius-agent", subject: "the Agent" };

/// `status` and `reverify`: nobody answers.
pub const EXIT_NOT_REACHABLE: u8 = 2;

/// Runs the program with these arguments, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let code = match command_line::parse(arguments) {
        Ok(Command::Help) => say(command_line::HELP),
        Ok(Command::Version) => say(concat!("opterius-agent ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::CheckConfig { config }) => check_config(&config),
        Ok(Command::Status { config, json }) => inquiry::status(&config, json),
        Ok(Command::Reverify { config }) => inquiry::reverify(&config),
        Ok(Command::Doctor { config, json }) => doctor::run(&config, json),
        Ok(Command::Operation { config, task }) => operation::run(&config, &task),
        Ok(Command::Run { config }) => daemon::start(&config),
        Err(sentence) => {
            complain(&format!("{sentence}\nTry: opterius-agent --help"));
            EXIT_USAGE
        }
    };
    ExitCode::from(code)
}

fn check_config(path: &Path) -> u8 {
    match configuration::check(path) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                complain(&format!("warning: {warning}"));
            }
            let but = if loaded.warnings.is_empty() { "" } else { ", but for the warnings above" };
            say(&format!("{}: ok{but}\n", path.display()))
        }
        Err(error) => {
            complain(&error.to_string());
            error.exit_code()
        }
    }
}

/// Prints one line to stderr, with our name before it.
fn complain(text: &str) {
    output::complain(PROGRAM.name, text);
}
