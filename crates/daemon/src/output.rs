//! What is printed to a person. A closed pipe is no reason to panic.

use std::io::{self, Write};

/// Prints to stdout and ends well.
pub fn say(text: &str) -> u8 {
    let _ = print(text);
    0
}

/// Prints to stdout.
///
/// # Errors
/// What is printed is not taken; behind a closed pipe nobody reads any more.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

/// Prints one line to stderr, with the program's name before it.
pub fn complain(program: &str, text: &str) {
    let _ = writeln!(io::stderr().lock(), "{program}: {text}");
}
