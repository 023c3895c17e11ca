//! `/services/list`: lists the services of this host.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// Lists the services of this host.
#[derive(Serialize)]
pub struct ListServices {}

impl Operation for ListServices {
    const PATHS: &'static [&'static str] = &["/services/list"];

    fn parse(_fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {})
    }
}
