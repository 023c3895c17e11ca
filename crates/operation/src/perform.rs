//! How an operation is performed.

use serde_json::Value;

use opterius_base::deadline::Deadline;
use opterius_host::helper::protocol::Allowance;
use opterius_host::host::Host;
use opterius_host::problem::Problem;

/// What every operation is given.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The host.
    pub host: &'a Host,
    /// What the license allows.
    pub allowance: &'a Allowance,
    /// By when it must have ended.
    pub deadline: Deadline,
}

/// An operation that can be performed.
pub trait Perform {
    /// Performs it; what the Panel is answered.
    ///
    /// # Errors
    /// It was refused, or it failed and was taken back; a repeat completes what cannot be taken back.
    fn perform(&self, context: Context<'_>) -> Result<Value, Problem>;
}
