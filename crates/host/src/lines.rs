//! Files of lines that tenants or other programs have a part in: read as bytes, within a limit, line by line. A line that
//! cannot be read costs itself alone, and is logged once.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use log::warn;

use opterius_base::files;

/// Largest file that is read, in bytes: 100,000 users with the longest names and homes.
pub const MAX_FILE: u64 = 32 * 1024 * 1024;

/// The most lines that one process logs.
const MAX_LOGGED: usize = 100;

/// Reads a file.
///
/// # Errors
/// It cannot be read, is not a regular file, or is larger than [`MAX_FILE`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    files::read(path, MAX_FILE)
}

/// The text of a file whose readers look for words in it: each byte that is not UTF-8 becomes U+FFFD, so that it spoils its
/// own word only. Empty if the file cannot be read, is not a regular file, or is larger than `limit` bytes.
pub fn text(path: &Path, limit: u64) -> String {
    files::read(path, limit).map(|bytes| lossy(&bytes)).unwrap_or_default()
}

/// `bytes` as text, with U+FFFD for each that is not UTF-8.
pub fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The lines of `bytes`, without their ends.
pub fn of(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Parses every line of a file. Empty lines, comments and NIS entries (`+`, `-`) say nothing; any other line that `parse`
/// refuses is logged by its number, without its text.
pub fn parse<T>(file: &str, bytes: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> Vec<T> {
    let mut parsed = Vec::new();
    for (index, line) in of(bytes).enumerate() {
        match parse(line) {
            Some(value) => parsed.push(value),
            None if line.is_empty() || line.starts_with(b"#") || line.starts_with(b"+") || line.starts_with(b"-") => {}
            None => report(file, index.saturating_add(1)),
        }
    }
    parsed
}

/// A field of text.
pub fn field(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

/// A field with a decimal number.
pub fn number<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    field(bytes)?.trim().parse().ok()
}

/// Logs that a line cannot be read, once for each process.
fn report(file: &str, number: usize) {
    static REPORTED: Mutex<BTreeSet<(String, usize)>> = Mutex::new(BTreeSet::new());
    let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    if reported.len() < MAX_LOGGED && reported.insert((file.to_owned(), number)) {
        drop(reported);
        warn!("{file}: line {number} cannot be read and is ignored");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_cannot_be_read_costs_itself_alone() {
        let numbers = parse("a file", b"1\n\xff\n\n# 5\n2\r\n+\nx\n3", number::<u32>);
        assert_eq!(numbers, [1, 2, 3]);
    }
}
