//! `/metrics/top-processes`: the processes that use most.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// The processes that use most.
#[derive(Serialize)]
pub struct TopProcesses {}

impl Operation for TopProcesses {
    const PATHS: &'static [&'static str] = &["/metrics/top-processes"];

    fn parse(_fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {})
    }
}
