//! The program: command line, configuration, logging, signals, and the wiring of the other rooms.

pub mod command_line;
pub mod configuration;
pub mod daemon;
pub mod inquiry;
pub mod keys;
pub mod limits;
pub mod listener;
pub mod log;
pub mod output;
pub mod parsing;
pub mod signals;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::agent::command_line::Command;
use crate::agent::configuration::Error;
use crate::agent::output::{complain, say};

/// The license is restricted, or something failed while running.
pub const EXIT_FAILURE: u8 = 1;
/// `status` and `reverify`: nobody answers.
pub const EXIT_NOT_REACHABLE: u8 = 2;
/// The command line is wrong (sysexits.h: EX_USAGE).
pub const EXIT_USAGE: u8 = 64;
/// The program is wrong (EX_SOFTWARE).
pub const EXIT_INTERNAL: u8 = 70;
/// Something may not be read (EX_NOPERM).
pub const EXIT_PERMISSION: u8 = 77;
/// The configuration is wrong (EX_CONFIG).
pub const EXIT_CONFIGURATION: u8 = 78;

/// Runs the program with these arguments, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let code = match command_line::parse(arguments) {
        Ok(Command::Help) => say(command_line::HELP),
        Ok(Command::Version) => say(concat!("opterius-agent ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::CheckConfig { config }) => check_config(&config),
        Ok(Command::Status { config, json }) => inquiry::status(&config, json),
        Ok(Command::Reverify { config }) => inquiry::reverify(&config),
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
            exit_code(&error)
        }
    }
}

/// The exit code for a configuration that cannot be used.
pub fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Permission(_) => EXIT_PERMISSION,
        Error::Invalid(_) => EXIT_CONFIGURATION,
    }
}
