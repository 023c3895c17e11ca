//! What the program calls itself, and how it complains.

use opterius_daemon::Program;
use opterius_daemon::output;

/// What the daemon calls itself.
pub const PROGRAM: Program = Program { name: "opterius-agent", subject: "the Agent" };

/// Prints one line to stderr, with our name before it.
pub fn complain(text: &str) {
    output::complain(PROGRAM.name, text);
}
