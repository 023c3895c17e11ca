//! Why there is no page to show, and what is shown instead: a status and a sentence.

use std::time::Duration;

use super::form::Malformed;
use crate::actions::Refusal;
use crate::store::Error;
use crate::throttle::retry_after;

/// How long to wait when nothing can be stored.
const UNAVAILABLE: Duration = Duration::from_secs(30);

/// How long to wait when too many servers were revoked or moved.
const DAY: Duration = Duration::from_secs(86_400);

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PageError {
    /// There is nothing at this address, or not for this user.
    NotFound,
    /// The form or the address is not one of ours.
    Malformed,
    /// The form was not sent from a page that we gave to this browser.
    InvalidToken,
    /// Too many tries with a password.
    TooManyAttempts(Duration),
    /// Too many pages at one time.
    TooManyPages,
    /// What is behind it does not do it.
    Refused(Refusal),
}

impl From<Refusal> for PageError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        Self::Refused(error.into())
    }
}

impl From<Malformed> for PageError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl PageError {
    /// The status of the answer.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::NotFound | Self::Refused(Refusal::NotFound(_)) => 404,
            Self::Malformed => 400,
            Self::InvalidToken => 403,
            Self::TooManyAttempts(_) | Self::TooManyPages | Self::Refused(Refusal::TooOften) => 429,
            Self::Refused(Refusal::Stale | Refusal::Conflict(_) | Refusal::Store(Error::Taken)) => 409,
            Self::Refused(Refusal::Invalid(_)) => 422,
            Self::Refused(Refusal::Store(_)) => 503,
        }
    }

    /// The heading of the page.
    pub(super) fn heading(&self) -> &'static str {
        match self.status() {
            400 => "Not understood",
            403 => "Not accepted",
            404 => "Not found",
            409 => "Not done",
            422 => "Not valid",
            429 => "Too often",
            _ => "Not available",
        }
    }

    /// What is told.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::NotFound => "There is nothing at this address.".to_owned(),
            Self::Malformed => "This is not a form or an address of this dashboard. Nothing was done.".to_owned(),
            Self::InvalidToken => {
                "The form was too old, or was not sent from this dashboard. Nothing was done; open the \
                             page again and repeat it there."
                    .to_owned()
            }
            Self::TooManyAttempts(wait) => {
                format!("Too many attempts. Nothing was done; try again in {} seconds.", retry_after(*wait))
            }
            Self::TooManyPages => {
                "You have asked for too many pages at one time. Reload this one in a second.".to_owned()
            }
            Self::Refused(refusal) => refusal.to_string(),
        }
    }

    /// The seconds to wait before the next try, where waiting helps.
    pub(super) fn retry_after(&self) -> Option<u64> {
        let wait = match self {
            Self::TooManyAttempts(wait) => *wait,
            Self::TooManyPages => Duration::from_secs(1),
            Self::Refused(Refusal::TooOften) => DAY,
            _ if self.status() == 503 => UNAVAILABLE,
            _ => return None,
        };
        Some(retry_after(wait))
    }
}
