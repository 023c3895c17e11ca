//! An error that prevented a measurement, as a message for the user.

use std::fmt;
use std::path::Path;

#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Failure(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Adds what was being done to an error. This is the only conversion to [`Failure`], so that every failure has this
/// context.
pub(crate) trait During<T>: Sized {
    fn during(self, what: impl fmt::Display) -> Result<T, Failure>;

    /// Adds what was being done with a file.
    fn at(self, what: &str, path: impl AsRef<Path>) -> Result<T, Failure> {
        self.during(format_args!("{what} {}", path.as_ref().display()))
    }
}

impl<T, E: fmt::Display> During<T> for Result<T, E> {
    fn during(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}
