//! `/php/install`: would install a version of PHP.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::PhpVersion;

/// Asks for a version to be installed.
#[derive(Serialize)]
pub struct InstallPhp {
    /// The version.
    pub version: PhpVersion,
}

impl Operation for InstallPhp {
    const PATHS: &'static [&'static str] = &["/php/install"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { version: PhpVersion::parse("version", fields.text("version")?)? })
    }
}
