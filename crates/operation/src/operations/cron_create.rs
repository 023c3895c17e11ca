//! `/cron/create`: adds a job to an account's crontab, or changes the one with the same id.

use serde_json::{Value, json};

use crate::accounts::crontab_file;
use crate::accounts::crontab_lines::{MAX_JOBS, Refusal};
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::cron_create::CreateCronJob;
use opterius_host::request::values::Username;

impl Perform for CreateCronJob {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { username, schedule, command, cron_job_id } = self;
        let (is_changed, warnings) = crontab_file::change(host, username, deadline, |lines| {
            lines.put(*cron_job_id, schedule, command).map_err(|refusal| refused(username, &refusal))
        })?;
        Ok(json!({"username": username, "cron_job_id": cron_job_id, "changed": is_changed, "warnings": warnings}))
    }
}

fn refused(username: &Username, refusal: &Refusal) -> Problem {
    Problem::Conflict(match refusal {
        Refusal::SameCommand(schedule) => format!(
            "“{username}” already has a cron job with this command, at {}. The Panel finds jobs by their command, so it could not \
             tell the two apart: give one job all times, such as 0 3,15 * * *, or end one command with a comment, such as “# in \
             the evening”.",
            schedule.as_str()
        ),
        Refusal::TooMany => format!("“{username}” already has {MAX_JOBS} cron jobs. Delete one first."),
    })
}

#[cfg(test)]
#[path = "cron_create_tests.rs"]
mod tests;
