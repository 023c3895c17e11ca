//! The trait that all operations implement.

use std::cell::RefCell;
use std::os::fd::OwnedFd;

use serde_json::Value;

use opterius_base::deadline::Deadline;
use opterius_host::helper::protocol::Allowance;
use opterius_host::host::Host;
use opterius_host::problem::Problem;

/// The context of an operation.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The host.
    pub host: &'a Host,
    /// What the license allows.
    pub allowance: &'a Allowance,
    /// When it must end.
    pub deadline: Deadline,
    /// Open files that come with the request and go with the reply.
    pub files: &'a PassedFiles,
}

/// The open files of an upload, which the Agent writes and this program opens and names.
#[derive(Debug, Default)]
pub struct PassedFiles {
    /// What came with the request.
    pub received: Vec<OwnedFd>,
    /// What to pass to the Agent.
    pub returned: RefCell<Vec<OwnedFd>>,
}

/// An operation that can be performed.
pub trait Perform {
    /// Performs the operation and returns the response body for the Panel.
    ///
    /// # Errors
    /// It was refused, or it failed and was rolled back. Repeating the request completes what cannot be rolled back.
    fn perform(&self, context: Context<'_>) -> Result<Value, Problem>;
}
