//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::{Arg, Parser};

use crate::clock::{Clock, SystemClock};
use crate::process::output::{complain, say};
use crate::process::{EXIT_CONFIGURATION, EXIT_USAGE};
use crate::server::installation::Place;
use crate::server::{PROGRAM, serve, settings};

/// Runs the program with these arguments, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut parser = Parser::from_iter(arguments);
    let (mut config, mut command) = (PathBuf::from(settings::DEFAULT_PATH), None);
    while let Ok(Some(argument)) = parser.next() {
        match argument {
            Arg::Long("config") => config = parser.value().map(PathBuf::from).unwrap_or_default(),
            Arg::Value(value) => command = Some(value.to_string_lossy().into_owned()),
            _ => return ExitCode::from(EXIT_USAGE),
        }
    }
    let code = match command.as_deref() {
        Some("serve") => serve::start(&config),
        Some("init") => {
            let loaded = settings::load(&config).map_err(|error| error.to_string());
            let created = loaded.and_then(|loaded| {
                let place = Place::new(&loaded.settings.data_dir);
                place.create(SystemClock.wall()).map_err(|error| error.to_string())
            });
            match created {
                Ok(installation) => say(&format!("license_public_key={}\n", installation.keys.public_keys())),
                Err(sentence) => {
                    complain(PROGRAM.name, &sentence);
                    EXIT_CONFIGURATION
                }
            }
        }
        _ => EXIT_USAGE,
    };
    ExitCode::from(code)
}
