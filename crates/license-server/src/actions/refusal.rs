//! Why nothing was done.

use std::fmt;
use std::time::Duration;

use crate::model::change_error::ChangeError;
use crate::store::Error;

/// How often owners may Revoke or Move, and in which time.
pub const OWNER_CHANGES: u32 = 10;
/// See [`OWNER_CHANGES`].
pub const OWNER_CHANGES_TIME: Duration = Duration::from_secs(30 * 86_400);

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such thing, or not for this user.
    NotFound(String),
    /// Somebody else has changed the license since it was looked at.
    Stale,
    /// It makes no sense now; a sentence says why.
    Conflict(String),
    /// The input is wrong; a sentence says how.
    Invalid(String),
    /// Too often.
    TooOften,
    /// The store's own.
    Store(Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(sentence) | Self::Conflict(sentence) | Self::Invalid(sentence) => {
                formatter.write_str(sentence)
            }
            Self::Stale => formatter.write_str(
                "Somebody else has changed this license since you looked at it. Nothing was done; look at it again.",
            ),
            Self::TooOften => write!(
                formatter,
                "Servers of this license were revoked or moved {OWNER_CHANGES} times in the last 30 days, which is the \
                 most. Ask the vendor to do it."
            ),
            // What is wrong with which file is for the log, and not for a page.
            Self::Store(_) => {
                formatter.write_str("Nothing can be stored at the moment. Nothing was done; try again in a minute.")
            }
        }
    }
}

impl From<ChangeError> for Refusal {
    fn from(change_error: ChangeError) -> Self {
        match change_error {
            ChangeError::NotFound(sentence) => Self::NotFound(sentence),
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
