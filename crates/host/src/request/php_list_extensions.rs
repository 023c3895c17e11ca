//! `/php/list-extensions`: lists the extensions of a version of PHP.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::PhpVersion;

/// Lists the extensions of a version.
#[derive(Serialize)]
pub struct ListPhpExtensions {
    /// The version.
    pub version: PhpVersion,
}

impl Operation for ListPhpExtensions {
    const PATHS: &'static [&'static str] = &["/php/list-extensions"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { version: PhpVersion::parse("version", fields.text("version")?)? })
    }
}
