//! What the dashboard remembers between two requests.

use super::attempts::Attempts;
use super::page_slots::PageSlots;
use super::submitted_forms::SubmittedForms;

/// What is remembered; none of it outlives the process.
#[derive(Default)]
pub(super) struct DashboardState {
    pub(super) attempts: Attempts,
    pub(super) submitted_forms: SubmittedForms,
    pub(super) page_slots: PageSlots,
}
