//! The badge of a license: its standing, in amber if an active license ends soon.

use std::time::Duration;

use crate::model::{License, Standing};
use opterius_base::clock::Timestamp;

/// An active license that ends within this time is shown in amber.
const ENDING: Duration = Duration::from_secs(7 * 86_400);

/// The standing of a license and the class of its badge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StandingBadge {
    pub(super) text: &'static str,
    pub(super) class: &'static str,
}

impl StandingBadge {
    /// The badge of the license at `now`.
    pub(super) fn new(license: &License, now: Timestamp) -> Self {
        let standing = license.standing(now);
        let ends_soon = license.expires_at.is_some_and(|end| end <= now.plus(ENDING));
        let class = if standing == Standing::Active && ends_soon { "ending" } else { standing.as_str() };
        Self { text: standing.as_str(), class }
    }
}

/// The name of a standing, as lists and figures show it.
pub(super) fn name_of(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "Active",
        Standing::Suspended => "Suspended",
        Standing::Cancelled => "Cancelled",
        Standing::Expired => "Expired",
    }
}
