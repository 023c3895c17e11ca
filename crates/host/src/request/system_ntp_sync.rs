//! `/system/ntp-sync`: synchronizes the clock now.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// Synchronizes the clock.
#[derive(Serialize)]
pub struct SynchronizeClock {}

impl Operation for SynchronizeClock {
    const PATHS: &'static [&'static str] = &["/system/ntp-sync"];
    const WAITS_FOR_OTHERS: bool = true;

    fn parse(_fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {})
    }
}
