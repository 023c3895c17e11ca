//! Why an action is refused.

use std::fmt;
use std::time::Duration;

use crate::model::change_error::ChangeError;
use crate::store::Error;

/// How many servers of a license its owner can revoke or move within [`OWNER_CHANGES_TIME`].
pub const OWNER_CHANGES: u32 = 10;
/// The period of [`OWNER_CHANGES`].
pub const OWNER_CHANGES_TIME: Duration = Duration::from_secs(30 * 86_400);

/// Why an action is refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not exist, or this user has no access to it.
    NotFound(String),
    /// The license has changed since the user viewed it.
    Stale,
    /// It is so already; a sentence says what.
    Unchanged(String),
    /// It is not possible in the current state; a sentence says why.
    Conflict(String),
    /// The input is invalid; a sentence says why.
    Invalid(String),
    /// The owner has reached [`OWNER_CHANGES`].
    TooOften,
    /// A store error.
    Store(Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(sentence)
            | Self::Unchanged(sentence)
            | Self::Conflict(sentence)
            | Self::Invalid(sentence) => formatter.write_str(sentence),
            Self::Stale => formatter.write_str(
                "This license has changed since you opened the page. Nothing was changed; reload the license and try again.",
            ),
            Self::TooOften => write!(
                formatter,
                "Servers of this license were revoked or moved {OWNER_CHANGES} times in the last 30 days, which is the \
                 limit. Ask your vendor to make the change."
            ),
            Self::Store(Error::Unknown(_)) => formatter.write_str(
                "The connection to the database was lost while the change was stored, and it is unknown whether it was made. \
                 Look in a minute before you repeat it.",
            ),
            // File names and causes belong in the log, not on a page.
            Self::Store(_) => {
                formatter.write_str("The license server cannot store changes at the moment. Nothing was changed; try again in a minute.")
            }
        }
    }
}

impl From<ChangeError> for Refusal {
    fn from(change_error: ChangeError) -> Self {
        match change_error {
            ChangeError::NotFound(sentence) => Self::NotFound(sentence),
            ChangeError::Unchanged(sentence) => Self::Unchanged(sentence),
            ChangeError::Conflict(sentence) => Self::Conflict(sentence),
            ChangeError::Invalid(sentence) => Self::Invalid(sentence),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}
