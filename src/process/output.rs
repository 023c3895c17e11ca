//! What is printed to a person. A closed pipe is no reason to panic.

use std::io::Write;

/// Prints to stdout and ends well.
pub fn say(text: &str) -> u8 {
    let _ = print(text);
    0
}

/// Prints to stdout; whether anybody still reads it.
pub fn print(text: &str) -> bool {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}

/// Prints one line to stderr, with the program's name before it.
pub fn complain(program: &str, text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{program}: {text}");
}
