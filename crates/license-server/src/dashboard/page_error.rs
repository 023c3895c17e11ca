//! Errors of pages and forms, with their status and message.

use std::time::Duration;

use super::form::MalformedForm;
use crate::actions::Refusal;
use crate::store::Error;
use crate::throttle::retry_after;

/// The `Retry-After` while the store fails.
const UNAVAILABLE: Duration = Duration::from_secs(30);

/// The `Retry-After` when the owner has reached the limit of revocations and moves.
const DAY: Duration = Duration::from_secs(86_400);

/// Why a page or form failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PageError {
    /// The page does not exist, or not for this user.
    NotFound,
    /// The form or the URL is malformed.
    Malformed,
    /// The CSRF token does not belong to this session.
    InvalidToken,
    /// Too many password attempts.
    TooManyAttempts(Duration),
    /// The session requests too many pages at once.
    TooManyPages,
    /// The action was refused.
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

impl From<MalformedForm> for PageError {
    fn from(_: MalformedForm) -> Self {
        Self::Malformed
    }
}

impl PageError {
    /// The HTTP status.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::NotFound | Self::Refused(Refusal::NotFound(_)) => 404,
            Self::Malformed => 400,
            Self::InvalidToken => 403,
            Self::TooManyAttempts(_) | Self::TooManyPages | Self::Refused(Refusal::TooOften) => 429,
            Self::Refused(
                Refusal::Stale | Refusal::Unchanged(_) | Refusal::Conflict(_) | Refusal::Store(Error::Taken),
            ) => 409,
            Self::Refused(Refusal::Invalid(_)) => 422,
            Self::Refused(Refusal::Store(_)) => 503,
        }
    }

    /// The heading of the page.
    pub(super) fn heading(&self) -> &'static str {
        match self.status() {
            400 => "Bad request",
            403 => "Request rejected",
            404 => "Not found",
            409 => "Conflict",
            422 => "Invalid input",
            429 => "Too many requests",
            _ => "Temporarily unavailable",
        }
    }

    /// The message.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::NotFound => "This page does not exist.".to_owned(),
            Self::Malformed => "This form or URL is not valid. Nothing was changed.".to_owned(),
            Self::InvalidToken => {
                "The form has expired or was not sent from this dashboard. Nothing was changed; reload \
                             the page and try again."
                    .to_owned()
            }
            Self::TooManyAttempts(wait) => {
                format!("Too many attempts. Try again in {} seconds.", retry_after(*wait))
            }
            Self::TooManyPages => "You have requested too many pages at once. Reload this page in a second.".to_owned(),
            Self::Refused(refusal) => refusal.to_string(),
        }
    }

    /// The `Retry-After` in seconds, if waiting helps.
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
