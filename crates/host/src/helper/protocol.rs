//! What goes between the Agent and the helper: one order, one reply, each a JSON document.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::problem::Problem;

/// The longest that an operation may take: the Panel waits 120 s, and taking back may come after it.
pub const LONGEST: Duration = Duration::from_secs(100);

/// What the license allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Accounts on this server; none is any number.
    pub max_accounts: Option<u64>,
    /// The plan that says so.
    pub plan: Option<String>,
}

/// What the Agent hands to the helper.
#[derive(Serialize, Deserialize)]
pub struct HelperRequest {
    /// The path that the Panel has called.
    pub path: String,
    /// What it has asked for, in the members that the Agent has read of it.
    pub body: Option<Value>,
    /// How many accounts the license allows; none is any number.
    pub max_accounts: Option<u64>,
    /// The plan that says so.
    pub plan: Option<String>,
    /// How long it may take, in seconds.
    pub seconds: u64,
}

/// What the helper answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelperReply {
    /// The status for the Panel.
    pub status: u16,
    /// The body for the Panel.
    pub body: Value,
}

impl From<Result<Value, Problem>> for HelperReply {
    fn from(done: Result<Value, Problem>) -> Self {
        match done {
            Ok(body) => Self { status: 200, body },
            Err(problem) => Self { status: problem.status(), body: problem.body() },
        }
    }
}
