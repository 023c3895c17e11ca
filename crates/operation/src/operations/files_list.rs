//! `/files/list`: lists a directory in an account's home.

use serde_json::Value;

use crate::files::listing;
use crate::files::owner::{Owner, SHORT};
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::files_list::ListFiles;

impl Perform for ListFiles {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let (path, deadline) = (self.path.clone(), deadline.sooner(SHORT));
        Owner::of(host, &self.username)?.run(deadline, move |home| listing::list(home, &path, deadline))
    }
}
