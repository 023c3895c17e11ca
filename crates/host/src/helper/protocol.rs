//! The protocol between the Agent and the helper: one request, one reply, each a JSON document.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::problem::Problem;

/// Longest time for an operation: the Panel waits 120 s, and a rollback may follow.
pub const LONGEST: Duration = Duration::from_secs(100);

/// Longest time for a backup, or the restoration of one: for these, the Panel waits 600 s.
pub const BACKUP: Duration = Duration::from_secs(570);

/// What the license allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Largest number of accounts on this server; none is unlimited.
    pub max_accounts: Option<u64>,
    /// The plan that sets this limit.
    pub plan: Option<String>,
}

/// A request to the helper.
#[derive(Serialize, Deserialize)]
pub struct HelperRequest {
    /// The path that the Panel called.
    pub path: String,
    /// The request's members, as the Agent parsed them.
    pub body: Option<Value>,
    /// How many accounts the license allows; none is unlimited.
    pub max_accounts: Option<u64>,
    /// The plan that sets this limit.
    pub plan: Option<String>,
    /// Time limit in seconds.
    pub seconds: u64,
}

/// The helper's reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelperReply {
    /// The status for the Panel.
    pub status: u16,
    /// The body for the Panel.
    pub body: Value,
}

impl From<Result<Value, Problem>> for HelperReply {
    fn from(result: Result<Value, Problem>) -> Self {
        match result {
            Ok(body) => Self { status: 200, body },
            Err(problem) => Self { status: problem.status(), body: problem.body() },
        }
    }
}
