//! `/files/upload`: opens a file without a name in an account's home, for the Agent to write an upload to.

use serde_json::{Value, json};

use crate::files::owner::{Owner, SHORT};
use crate::files::upload;
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::files_upload::OpenUpload;

impl Perform for OpenUpload {
    fn perform(&self, Context { host, deadline, files, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { username, path } = self;
        let to = path.clone();
        let opened = Owner::of(host, username)?.run(deadline.sooner(SHORT), move |home| upload::open(home, &to))?;
        files.returned.replace(opened.into());
        Ok(json!({"path": path}))
    }
}
