//! What a daemon needs of its process: threads that are watched, signals, the service manager, the listening socket, limits,
//! the log, what is printed to a person, the configuration file's form, exit codes.
//!
//! Nothing here knows what the daemon is for. What a person reads in its sentences, such as the program's name or the
//! configuration file's, is told by the daemon.

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that cuts a text wrongly fails, as it should"))]

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

/// Something failed while running.
pub const EXIT_FAILURE: u8 = 1;
/// The command line is wrong (sysexits.h: EX_USAGE).
pub const EXIT_USAGE: u8 = 64;
/// The program is wrong (EX_SOFTWARE).
pub const EXIT_INTERNAL: u8 = 70;
/// Something may not be read (EX_NOPERM).
pub const EXIT_PERMISSION: u8 = 77;
/// The configuration is wrong (EX_CONFIG).
pub const EXIT_CONFIGURATION: u8 = 78;

/// What a daemon calls itself where it speaks to a person.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The name of the program, in front of every line that it prints.
    pub name: &'static str,
    /// The daemon in a sentence, such as “the Agent”.
    pub subject: &'static str,
}
