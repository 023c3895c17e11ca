//! `/dns/add-record`: adds a record to a zone.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::record::{RecordName, RecordType, content};
use crate::request::values::Domain;

/// Time to live of a record without one, in seconds.
const DEFAULT_TTL: u32 = 3600;

/// Adds a record.
#[derive(Serialize)]
pub struct AddRecord {
    /// The zone.
    pub domain: Domain,
    /// The record's name.
    pub name: RecordName,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// Its content in the form of a zone file, without the priority.
    pub content: String,
    /// Time to live, in seconds (RFC 2181 §8).
    pub ttl: u32,
    /// The priority of an MX or SRV record; none for other types.
    pub priority: Option<u16>,
}

impl AddRecord {
    /// The content with its priority, in the form of a zone file.
    pub fn data(&self) -> String {
        match self.priority {
            Some(priority) => format!("{priority} {}", self.content),
            None => self.content.clone(),
        }
    }
}

impl Operation for AddRecord {
    const PATHS: &'static [&'static str] = &["/dns/add-record"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let domain = fields.domain("domain")?;
        let name = RecordName::parse("name", fields.text("name")?, &domain)?;
        let kind = RecordType::parse(fields)?;
        let priority = fields.optional_integer("priority", 0, 65_535)?.and_then(|number| u16::try_from(number).ok());
        let (priority, content) = content::parse(kind, fields.text("content")?, priority, &domain)?;
        let ttl = fields.optional_integer("ttl", 0, i64::from(i32::MAX))?;
        let ttl = ttl.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(DEFAULT_TTL);
        if kind == RecordType::Cname && name.as_str() == domain.as_str() {
            let rule = "must be a name below the domain: the domain itself has other records, and a CNAME record must be alone";
            return Err(Problem::invalid("name", rule));
        }
        Ok(Self { domain, name, kind, content, ttl, priority })
    }
}
