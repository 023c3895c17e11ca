//! The trait of all operations.

use std::time::Duration;

use serde::Serialize;

use crate::helper::protocol::LONGEST;
use crate::problem::Problem;
use crate::request::fields::Fields;

/// A valid request of one operation, with its parser.
///
/// It serializes to the format that it is parsed from: the helper, which does not trust the daemon, parses it again by the
/// same rules.
pub trait Operation: Sized + Serialize {
    /// The paths of this operation.
    const PATHS: &'static [&'static str];

    /// Whether it waits for other machines, or works on much data, possibly for a minute. If so, it does not delay other
    /// operations.
    const WAITS_FOR_OTHERS: bool = false;

    /// How long it may take.
    const LONGEST: Duration = LONGEST;

    /// Parses the request.
    ///
    /// # Errors
    /// A field is invalid.
    fn parse(fields: &Fields) -> Result<Self, Problem>;
}
