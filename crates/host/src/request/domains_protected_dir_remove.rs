//! `/domains/protected-dir/remove`: lets everyone into a directory again.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::protected_directory::DirectoryPath;
use crate::request::values::{Domain, Username};

/// Removes the protection of a directory.
#[derive(Serialize)]
pub struct UnprotectDirectory {
    /// The site.
    pub domain: Domain,
    /// The account that owns the site.
    pub username: Username,
    /// The directory below the document root.
    pub path: DirectoryPath,
}

impl Operation for UnprotectDirectory {
    const PATHS: &'static [&'static str] = &["/domains/protected-dir/remove"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {
            domain: fields.domain("domain")?,
            username: fields.username()?,
            path: DirectoryPath::parse("path", fields.text("path")?)?,
        })
    }
}
