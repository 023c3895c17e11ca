//! `/files/upload`: opens a file for an upload. [`files_upload_finish`](super::files_upload_finish) gives it its name.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::home_path::HomePath;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Opens a file without a name, which the helper returns beside its answer.
#[derive(Serialize)]
pub struct OpenUpload {
    /// The account.
    pub username: Username,
    /// Where the file will be.
    pub path: HomePath,
}

impl Operation for OpenUpload {
    const PATHS: &'static [&'static str] = &["/files/upload"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.username()?;
        let path = HomePath::parse("path", fields.text("path")?, &username)?;
        Ok(Self { username, path })
    }
}
