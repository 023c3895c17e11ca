//! `/cron/toggle`: enables or disables a cron job of an account.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::cron::CronCommand;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Enables or disables a cron job.
#[derive(Serialize)]
pub struct ToggleCronJob {
    /// The account.
    pub username: Username,
    /// The command of the job.
    pub command: CronCommand,
    /// Whether it runs.
    pub enabled: bool,
}

impl Operation for ToggleCronJob {
    const PATHS: &'static [&'static str] = &["/cron/toggle"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let (username, command) = (fields.username()?, CronCommand::parse(fields)?);
        Ok(Self { username, command, enabled: fields.boolean("enabled")? })
    }
}
