//! `/files/write`: writes a text file in an account's home. It is complete or as it was before, also if the helper is killed.

use serde_json::{Value, json};

use crate::files::owner::{Owner, SHORT};
use crate::files::replacement::Replacement;
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::files_write::WriteFile;

impl Perform for WriteFile {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { username, path, content } = self;
        let (to, bytes) = (path.clone(), content.clone().into_bytes());
        let is_new = Owner::of(host, username)?.run(deadline.sooner(SHORT), move |home| {
            let mut replacement = Replacement::begin(home.place(&to)?)?;
            replacement.write(&bytes)?;
            replacement.complete()
        })?;
        Ok(json!({"path": path, "size": content.len(), "created": is_new}))
    }
}
