//! I/O errors in words. The texts of the standard library end with an error number that means nothing to a reader.

use std::io::{Error, ErrorKind};

use opterius_base::text;

/// The error in words, without its number.
pub(super) fn cause(error: &Error) -> String {
    let known = match error.kind() {
        ErrorKind::NotFound => "no such file or directory",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::NotADirectory => "part of the path is not a directory",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full",
        ErrorKind::ReadOnlyFilesystem => "the disk is mounted read-only",
        _ => return text::cause(error),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_has_no_number() {
        for (number, words) in [(2, "no such file"), (28, "the disk is full"), (40, "symbolic links")] {
            let text = cause(&Error::from_raw_os_error(number));
            assert!(text.contains(words) && !text.contains("os error"), "{text}");
        }
    }
}
