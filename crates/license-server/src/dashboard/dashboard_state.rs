//! State of the dashboard between requests, in memory only.

use super::attempts::Attempts;
use super::page_slots::PageSlots;
use super::submitted_forms::SubmittedForms;

/// The state of the dashboard.
pub(super) struct DashboardState {
    pub(super) attempts: Attempts,
    /// Attempts to guess codes of second factors.
    pub(super) codes: Attempts,
    pub(super) submitted_forms: SubmittedForms,
    pub(super) page_slots: PageSlots,
}

impl Default for DashboardState {
    fn default() -> Self {
        Self {
            attempts: Attempts::default(),
            codes: Attempts::of_codes(),
            submitted_forms: SubmittedForms::default(),
            page_slots: PageSlots::default(),
        }
    }
}
