//! `/dns/delete-record`: deletes records of a zone.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::record::{MAX_ID, RecordName, RecordType};
use crate::request::values::Domain;

/// Deletes one record by its id, or all records of a type at a name.
#[derive(Serialize)]
pub struct DeleteRecord {
    /// The zone.
    pub domain: Domain,
    /// Which records.
    #[serde(flatten)]
    pub which: WhichRecords,
}

/// Which records to delete.
#[derive(Serialize)]
#[serde(untagged)]
pub enum WhichRecords {
    /// The one with this id in `/dns/list-records`.
    Id {
        /// The id.
        id: u64,
    },
    /// All of this type at this name.
    Set {
        /// The name.
        name: RecordName,
        /// The type.
        #[serde(rename = "type")]
        kind: RecordType,
    },
}

impl Operation for DeleteRecord {
    const PATHS: &'static [&'static str] = &["/dns/delete-record"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let domain = fields.domain("domain")?;
        let which = match fields.optional_integer("id", 1, MAX_ID)? {
            Some(id) => WhichRecords::Id { id: id.unsigned_abs() },
            None => WhichRecords::Set {
                name: RecordName::parse("name", fields.text("name")?, &domain)?,
                kind: RecordType::parse(fields)?,
            },
        };
        Ok(Self { domain, which })
    }
}
