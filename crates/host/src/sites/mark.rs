//! The mark of nginx files that the Agent manages: the start of their first line.

use crate::lines;

/// The start of the first line of a managed file, followed by the site in JSON.
pub const MARK: &str = "# opterius-agent: ";

/// Longest first line, in bytes: far more than a site needs.
pub const MAX_LINE: u64 = 16 * 1024;

/// What follows the mark in the first line of a file that starts with these bytes; none if the file has no mark.
pub fn after(head: &[u8]) -> Option<&[u8]> {
    lines::of(head).next()?.strip_prefix(MARK.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_can_have_the_mark() {
        let table: [(&[u8], Option<&[u8]>); 6] = [
            (b"# opterius-agent: {}\nserver {}\n", Some(b"{}")),
            (b"# opterius-agent: \xff", Some(b"\xff")),
            (b"\n# opterius-agent: {}\n", None),
            (b" # opterius-agent: {}\n", None),
            (b"# opterius-agent", None),
            (b"", None),
        ];
        for (head, expected) in table {
            assert_eq!(after(head), expected);
        }
    }
}
