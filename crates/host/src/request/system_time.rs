//! `/system/time`: reports the system time.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// Reports the system time.
#[derive(Serialize)]
pub struct SystemTime {}

impl Operation for SystemTime {
    const PATHS: &'static [&'static str] = &["/system/time"];

    fn parse(_fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {})
    }
}
