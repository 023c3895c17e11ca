//! Process services of a daemon: supervised threads, signals, the service manager and its watchdog, the listening
//! socket, limits, the log, output to the terminal, the format of the configuration file, shell completions, and exit codes.
//!
//! This package does not know what the daemon does. The daemon supplies the names that messages contain, such as its own
//! and the configuration file's.

#![cfg_attr(test, allow(clippy::string_slice, reason = "in a test, a wrong slice is a failure like any other"))]

pub mod completions;
pub mod config_file;
pub mod limits;
pub mod listener;
pub mod log;
pub mod near_miss;
pub mod notify;
pub mod output;
pub mod port_holder;
pub mod signals;
pub mod supervisor;
pub mod watchdog;

/// An error at run time.
pub const EXIT_FAILURE: u8 = 1;
/// An error in the command line (sysexits.h: EX_USAGE).
pub const EXIT_USAGE: u8 = 64;
/// A bug in the program (EX_SOFTWARE).
pub const EXIT_INTERNAL: u8 = 70;
/// Missing permissions (EX_NOPERM).
pub const EXIT_PERMISSION: u8 = 77;
/// An error in the configuration (EX_CONFIG).
pub const EXIT_CONFIGURATION: u8 = 78;

/// The daemon's names in messages.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The program's name, which starts every line that it prints.
    pub name: &'static str,
    /// The daemon in a sentence, such as “the Agent”.
    pub subject: &'static str,
}
