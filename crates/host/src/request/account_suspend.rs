//! `/account/suspend`: suspends or unsuspends an account.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Suspends or unsuspends an account. The Panel also sends `domains`; the Agent knows the account's sites itself.
#[derive(Serialize)]
pub struct SuspendAccount {
    /// The account.
    pub username: Username,
    /// Whether to suspend or unsuspend it.
    pub action: SuspendAction,
}

impl Operation for SuspendAccount {
    const PATHS: &'static [&'static str] = &["/account/suspend"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let actions = [("suspend", SuspendAction::Suspend), ("unsuspend", SuspendAction::Unsuspend)];
        let action = fields.one_of("action", &actions)?;
        Ok(Self { username: fields.username()?, action })
    }
}

/// The two actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SuspendAction {
    /// Its sites answer 503, its user cannot log in, and its processes are stopped.
    Suspend,
    /// It works as before the suspension.
    Unsuspend,
}
