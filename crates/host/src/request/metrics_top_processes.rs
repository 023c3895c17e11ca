//! `/metrics/top-processes`: lists the processes with the highest usage.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// Lists the processes with the highest usage.
#[derive(Serialize)]
pub struct TopProcesses {}

impl Operation for TopProcesses {
    const PATHS: &'static [&'static str] = &["/metrics/top-processes"];

    fn parse(_fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {})
    }
}
