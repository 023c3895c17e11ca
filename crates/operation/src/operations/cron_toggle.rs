//! `/cron/toggle`: enables or disables the jobs of the Panel in an account's crontab that have exactly this command. A disabled
//! job stays there as a comment.

use serde_json::{Value, json};

use crate::accounts::crontab_file;
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::cron_toggle::ToggleCronJob;

impl Perform for ToggleCronJob {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { username, command, enabled } = self;
        let ((), warnings) = crontab_file::change(host, username, deadline, |lines| {
            if lines.enable(command, *enabled) > 0 { Ok(()) } else { Err(crontab_file::no_such_job(username)) }
        })?;
        Ok(json!({"username": username, "enabled": enabled, "warnings": warnings}))
    }
}
