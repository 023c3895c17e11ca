//! `/cron/delete`: deletes a cron job of an account.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::cron::CronCommand;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Deletes a cron job.
#[derive(Serialize)]
pub struct DeleteCronJob {
    /// The account.
    pub username: Username,
    /// The command of the job.
    pub command: CronCommand,
}

impl Operation for DeleteCronJob {
    const PATHS: &'static [&'static str] = &["/cron/delete"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { username: fields.username()?, command: CronCommand::parse(fields)? })
    }
}
