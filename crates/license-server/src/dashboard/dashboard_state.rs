//! State of the dashboard between requests, in memory only.

use super::attempts::Attempts;
use super::page_slots::PageSlots;
use super::submitted_forms::SubmittedForms;

/// The state of the dashboard.
#[derive(Default)]
pub(super) struct DashboardState {
    pub(super) attempts: Attempts,
    pub(super) submitted_forms: SubmittedForms,
    pub(super) page_slots: PageSlots,
}
