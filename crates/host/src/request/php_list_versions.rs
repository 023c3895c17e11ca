//! `/php/list-versions`: lists the installed PHP versions.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// Lists the installed PHP versions.
#[derive(Serialize)]
pub struct ListPhpVersions {}

impl Operation for ListPhpVersions {
    const PATHS: &'static [&'static str] = &["/php/list-versions"];

    fn parse(_fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {})
    }
}
