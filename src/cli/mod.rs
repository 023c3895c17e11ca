//! Dispatches the command line to the daemon, the diagnosis, or a request to the running daemon.

pub mod command_line;
mod help;
pub mod inquiry;
pub mod operation;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::command_line::Command;
use crate::config::{Loaded, file};
use crate::program::complain;
use crate::{daemon, doctor};
use opterius_daemon::output::say;
use opterius_daemon::{EXIT_CONFIGURATION, EXIT_USAGE};
use opterius_license::license_key;

/// Runs the program with these arguments, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let code = match command_line::parse(arguments) {
        Ok(Command::Help) => say(command_line::HELP),
        Ok(Command::Version) => say(concat!("opterius-agent ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::CheckConfig { config }) => check_config(&config),
        Ok(Command::Status { config, json }) => inquiry::status(&config, json),
        Ok(Command::Reverify { config }) => inquiry::reverify(&config),
        Ok(Command::Doctor { config, json }) => doctor::run(&config, json),
        Ok(Command::Operation { config, task }) => operation::run(&config, task),
        Ok(Command::Run { config }) => daemon::start(&config),
        Err(sentence) => {
            complain(&format!("{sentence}\nTry: opterius-agent --help"));
            EXIT_USAGE
        }
    };
    ExitCode::from(code)
}

fn check_config(path: &Path) -> u8 {
    match file::load(path) {
        Ok(loaded) => {
            let Loaded { config, mut warnings } = loaded;
            let doubt = config.license.key.as_ref().and_then(|key| license_key::doubt(key.expose()));
            warnings.extend(doubt.map(|doubt| format!("{}: in license_key, {doubt}", path.display())));
            for warning in &warnings {
                complain(&format!("warning: {warning}"));
            }
            if let Some(fault) = &config.license.key_fault {
                complain(&format!(
                    "{fault}. The Agent runs without a license; copy the key from the license dashboard"
                ));
                return EXIT_CONFIGURATION;
            }
            let exception = if warnings.is_empty() { "" } else { ", but for the warnings above" };
            say(&format!("{}: ok{exception}\n", path.display()))
        }
        Err(error) => {
            complain(&error.to_string());
            error.exit_code()
        }
    }
}
