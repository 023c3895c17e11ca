//! What is measured, and how it is shown.

pub mod figures;
pub mod vitals;
