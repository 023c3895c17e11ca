//! `/cron/delete`: deletes the jobs of the Panel in an account's crontab that have exactly this command.

use serde_json::{Value, json};

use crate::accounts::crontab_file;
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::cron_delete::DeleteCronJob;

impl Perform for DeleteCronJob {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { username, command } = self;
        let ((), warnings) = crontab_file::change(host, username, deadline, |lines| {
            if lines.remove(command) > 0 { Ok(()) } else { Err(crontab_file::no_such_job(username)) }
        })?;
        Ok(json!({"username": username, "deleted": true, "warnings": warnings}))
    }
}
