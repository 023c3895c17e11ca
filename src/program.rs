//! The program's name, and its error output.

use opterius_daemon::Program;
use opterius_daemon::output;

/// The daemon's name.
pub const PROGRAM: Program = Program { name: "opterius-agent", subject: "the Agent" };

/// Prints one line to stderr, prefixed with the program's name.
pub fn complain(text: &str) {
    output::complain(PROGRAM.name, text);
}
