//! `/dns/list-records`: lists the records of a zone.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Domain;

/// Lists records.
#[derive(Serialize)]
pub struct ListRecords {
    /// The zone.
    pub domain: Domain,
}

impl Operation for ListRecords {
    const PATHS: &'static [&'static str] = &["/dns/list-records"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { domain: fields.domain("domain")? })
    }
}
