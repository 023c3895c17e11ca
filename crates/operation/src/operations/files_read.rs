//! `/files/read`: reads a text file in an account's home.

use serde_json::{Value, json};

use crate::files::owner::{Owner, SHORT};
use crate::files::text_file;
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::files_read::ReadFile;

impl Perform for ReadFile {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let path = self.path.clone();
        let content =
            Owner::of(host, &self.username)?.run(deadline.sooner(SHORT), move |home| text_file::read(home, &path))?;
        Ok(json!({"path": self.path, "content": content}))
    }
}
