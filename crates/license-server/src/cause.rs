//! Why the system did not do it, in words: its own end with a number that nobody knows.

use std::io::{Error, ErrorKind};

/// The cause in words.
pub(super) fn cause(error: &Error) -> String {
    let known = match error.kind() {
        ErrorKind::NotFound => "there is no such file or directory",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::NotADirectory => "a part of this path is a file, and no directory",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full",
        ErrorKind::ReadOnlyFilesystem => "the disk is mounted read-only",
        _ => {
            let text = error.to_string();
            return text.split(" (os error").next().unwrap_or_default().to_owned();
        }
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_has_no_number() {
        for (number, words) in [(2, "there is no such"), (28, "the disk is full"), (40, "symbolic links")] {
            let told = cause(&Error::from_raw_os_error(number));
            assert!(told.contains(words) && !told.contains("os error"), "{told}");
        }
    }
}
