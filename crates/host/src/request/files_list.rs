//! `/files/list`: lists a directory in an account's home.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::home_path::HomePath;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Lists a directory.
#[derive(Serialize)]
pub struct ListFiles {
    /// The account.
    pub username: Username,
    /// The directory.
    pub path: HomePath,
}

impl Operation for ListFiles {
    const PATHS: &'static [&'static str] = &["/files/list"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.username()?;
        let path = HomePath::parse("path", fields.text("path")?, &username)?;
        Ok(Self { username, path })
    }
}
