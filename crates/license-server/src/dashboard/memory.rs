//! What the dashboard remembers between two requests.

use super::attempts::Attempts;
use super::once::Once;
use super::places::Places;

/// What is remembered; none of it outlives the process.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) attempts: Attempts,
    pub(super) once: Once,
    pub(super) places: Places,
}
