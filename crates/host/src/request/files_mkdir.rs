//! `/files/mkdir`: creates a directory in an account's home.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::home_path::{FileName, HomePath};
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Creates a directory.
#[derive(Serialize)]
pub struct MakeDirectory {
    /// The account.
    pub username: Username,
    /// The directory.
    pub path: HomePath,
}

impl Operation for MakeDirectory {
    const PATHS: &'static [&'static str] = &["/files/mkdir"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.username()?;
        let path = HomePath::parse("path", fields.text("path")?, &username)?;
        if let Some((_, name)) = path.parent_and_name() {
            FileName::parse("path", name)?;
        }
        Ok(Self { username, path })
    }
}
