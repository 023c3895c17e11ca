//! Output to the terminal. Unlike `println!`, it does not panic on a closed pipe.

use std::io::{self, Write};

/// Prints to stdout and returns exit code 0.
pub fn say(text: &str) -> u8 {
    let _ = print(text);
    0
}

/// Prints to stdout.
///
/// # Errors
/// Writing failed, for example because the pipe is closed.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

/// Prints one line to stderr, prefixed with the program's name.
pub fn complain(program: &str, text: &str) {
    let _ = writeln!(io::stderr().lock(), "{program}: {text}");
}
