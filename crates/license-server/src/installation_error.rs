//! The errors of an installation: its database and its signing keys.

use std::fmt;

use crate::store;
use opterius_daemon::{EXIT_CONFIGURATION, EXIT_FAILURE, EXIT_PERMISSION};

/// Why an installation or its keys cannot be created, opened, stored or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstallationError {
    /// This user has no permission to read or write a file.
    Permission(String),
    /// A file is missing, damaged, exposed or misconfigured.
    Unusable(String),
    /// The installation is intact, but the operation is not possible now.
    Refused(String),
}

impl InstallationError {
    /// The exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Permission(_) => EXIT_PERMISSION,
            Self::Unusable(_) => EXIT_CONFIGURATION,
            Self::Refused(_) => EXIT_FAILURE,
        }
    }
}

impl fmt::Display for InstallationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permission(sentence) | Self::Unusable(sentence) | Self::Refused(sentence) => {
                formatter.write_str(sentence)
            }
        }
    }
}

impl From<store::Error> for InstallationError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Permission(_) => Self::Permission(error.to_string()),
            store::Error::Busy | store::Error::Full | store::Error::Taken | store::Error::Unavailable(_) => {
                Self::Refused(error.to_string())
            }
            error => Self::Unusable(error.to_string()),
        }
    }
}
