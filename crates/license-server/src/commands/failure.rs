//! The error of a failed command.

use std::fmt;

use crate::actions::Refusal;
use crate::installation_error::InstallationError;
use crate::store::Error as StoreError;
use opterius_daemon::config_file::Error as ConfigError;
use opterius_daemon::{EXIT_CONFIGURATION, EXIT_FAILURE, EXIT_PERMISSION};

/// The error of a failed command: a message and an exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// The message on stderr.
    pub sentence: String,
}

impl Failure {
    /// A refused or failed operation: exit code 1.
    pub fn refused(sentence: impl Into<String>) -> Self {
        Self { code: EXIT_FAILURE, sentence: sentence.into() }
    }

    pub(crate) fn permission(sentence: impl Into<String>) -> Self {
        Self { code: EXIT_PERMISSION, sentence: sentence.into() }
    }

    pub(crate) fn unusable(sentence: impl Into<String>) -> Self {
        Self { code: EXIT_CONFIGURATION, sentence: sentence.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentence)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let sentence = error.to_string();
        match error {
            StoreError::Permission(_) | StoreError::ReadOnly(_) => Self::permission(sentence),
            StoreError::Missing(_)
            | StoreError::Exposed(_)
            | StoreError::Unusable(..)
            | StoreError::ForeignLog(_)
            | StoreError::Refused(_)
            | StoreError::Newer(..) => Self::unusable(sentence),
            StoreError::Busy
            | StoreError::Full
            | StoreError::Taken
            | StoreError::Unavailable(_)
            | StoreError::Unknown(_)
            | StoreError::Unlocked
            | StoreError::Failed(_) => Self::refused(sentence),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            // The operator sees the cause, unlike a dashboard user.
            Refusal::Store(error) => error.into(),
            refusal => Self::refused(refusal.to_string()),
        }
    }
}

impl From<InstallationError> for Failure {
    fn from(error: InstallationError) -> Self {
        Self { code: error.exit_code(), sentence: error.to_string() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self { code: error.exit_code(), sentence: error.to_string() }
    }
}
