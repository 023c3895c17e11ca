//! `/account/suspend`: an account is suspended, or given back.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// An account to be suspended, or to be given back.
#[derive(Serialize)]
pub struct SuspendAccount {
    /// The account.
    pub username: Username,
    /// Which of the two.
    pub action: SuspendAction,
}

impl Operation for SuspendAccount {
    const PATHS: &'static [&'static str] = &["/account/suspend"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let actions = [("suspend", SuspendAction::Suspend), ("unsuspend", SuspendAction::Unsuspend)];
        let action = fields.one_of("action", &actions)?;
        fields.domains("domains")?;
        Ok(Self { username: fields.username()?, action })
    }
}

/// What is to become of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SuspendAction {
    /// Its sites answer 503, nobody logs in, and nothing of it runs.
    Suspend,
    /// It gets back what it had.
    Unsuspend,
}
