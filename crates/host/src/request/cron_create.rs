//! `/cron/create`: adds a cron job to an account.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::cron::{self, CronCommand, Schedule};
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Adds a cron job, or changes the one with the same id.
#[derive(Serialize)]
pub struct CreateCronJob {
    /// The account.
    pub username: Username,
    /// When it runs.
    pub schedule: Schedule,
    /// What it runs.
    pub command: CronCommand,
    /// The Panel's id of the job.
    pub cron_job_id: u64,
}

impl Operation for CreateCronJob {
    const PATHS: &'static [&'static str] = &["/cron/create"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {
            username: fields.username()?,
            schedule: Schedule::parse("schedule", fields.text("schedule")?)?,
            command: CronCommand::parse(fields)?,
            cron_job_id: cron::job_id(fields)?,
        })
    }
}
