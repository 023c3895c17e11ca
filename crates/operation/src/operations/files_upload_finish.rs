//! `/files/upload-finish`: gives an uploaded file its name.

use serde_json::{Value, json};

use crate::files::owner::{Owner, SHORT};
use crate::files::upload::{self, Uploaded};
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::files_upload::OpenUpload;
use opterius_host::request::files_upload_finish::FinishUpload;

impl Perform for FinishUpload {
    fn perform(&self, Context { host, deadline, files, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self(OpenUpload { username, path }) = self;
        let [file, directory] = files.received.as_slice() else {
            return Err(Problem::failed("the upload", "the open file did not come with the request"));
        };
        let failed = |error| Problem::failed("the upload", error);
        let (file, directory) = (file.try_clone().map_err(failed)?, directory.try_clone().map_err(failed)?);
        let to = path.clone();
        let work = move |home: &_| upload::finish(home, &to, &file, directory);
        let Uploaded { size, is_new } = Owner::of(host, username)?.run(deadline.sooner(SHORT), work)?;
        Ok(json!({"path": path, "size": size, "created": is_new}))
    }
}
