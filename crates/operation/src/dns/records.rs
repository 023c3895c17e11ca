//! The records of a zone, as PowerDNS lists them and as the Panel shows them.

use std::collections::BTreeSet;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use opterius_host::problem::Problem;
use opterius_host::request::record::{MAX_ID, text};
use opterius_host::request::values::Domain;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its id: a hash of name, type and data, so that it stays the same while the record does. PowerDNS's own ids change
    /// whenever a record beside it is added.
    pub id: u64,
    /// The full name, without the trailing dot.
    pub name: String,
    /// The type.
    pub kind: String,
    /// The data, as in a zone file.
    pub data: String,
    /// Time to live, in seconds.
    pub ttl: u32,
}

impl Record {
    /// The record for the Panel: priority and content are separate, names have no trailing dot, and texts no quotes.
    pub fn to_json(&self) -> Value {
        let (priority, content) = match self.kind.as_str() {
            "MX" | "SRV" => self
                .data
                .split_once(' ')
                .map_or((None, self.data.as_str()), |(priority, content)| (priority.parse::<u16>().ok(), content)),
            _ => (None, self.data.as_str()),
        };
        let content = match self.kind.as_str() {
            "MX" | "SRV" | "CNAME" | "NS" | "PTR" => without_dot(content).to_owned(),
            "TXT" => plain(content),
            _ => content.to_owned(),
        };
        json!({
            "id": self.id,
            "name": self.name,
            "type": self.kind,
            "content": content,
            "ttl": self.ttl,
            "priority": priority.unwrap_or_default(),
        })
    }

    /// Whether it is one of the records of this type at this name.
    pub fn is_of(&self, name: &str, kind: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) && self.kind == kind
    }

    /// Whether it has this data. Case matters in texts and values only.
    pub fn has(&self, data: &str) -> bool {
        match self.kind.as_str() {
            "TXT" | "CAA" => self.data == data,
            _ => self.data.eq_ignore_ascii_case(data),
        }
    }

    /// The name relative to its zone, as pdnsutil takes it.
    ///
    /// # Errors
    /// pdnsutil would take it for an option.
    pub fn relative_name(&self, zone: &Domain) -> Result<String, Problem> {
        relative(&self.name, zone)
    }
}

/// A full name relative to its zone, as pdnsutil takes it.
///
/// # Errors
/// pdnsutil would take it for an option.
pub fn relative(name: &str, zone: &Domain) -> Result<String, Problem> {
    let lower = name.to_ascii_lowercase();
    let below = lower.strip_suffix(zone.as_str()).and_then(|below| below.strip_suffix('.'));
    match below {
        None => Ok("@".to_owned()),
        Some(below) if below.starts_with('-') => Err(Problem::Conflict(format!(
            "The name “{name}” begins with a hyphen. Edit the zone with: pdnsutil edit-zone {zone}"
        ))),
        // Escapes and upper case stay as they are.
        Some(below) => Ok(name.chars().take(below.chars().count()).collect()),
    }
}

/// Parses PowerDNS's listing: lines of name, time to live, class, type and data, separated by tabs. Records of zones have
/// different ids.
pub fn parse(listing: &str) -> Vec<Record> {
    let mut records: Vec<Record> = listing.lines().filter_map(line).collect();
    // In one order whatever the database's is, so that equal hashes are always resolved the same way.
    records.sort_by(|a, b| (&a.name, &a.kind, &a.data).cmp(&(&b.name, &b.kind, &b.data)));
    let mut taken = BTreeSet::new();
    for record in &mut records {
        let free =
            (0_u32..).map(|attempt| id(&record.name, &record.kind, &record.data, attempt)).find(|id| taken.insert(*id));
        record.id = free.unwrap_or_default();
    }
    records
}

fn line(line: &str) -> Option<Record> {
    let mut fields = line.splitn(5, '\t');
    let (name, ttl, "IN", kind, data) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?)
    else {
        return None;
    };
    let name = without_dot(name).to_owned();
    Some(Record { id: 0, name, kind: kind.to_owned(), data: data.to_owned(), ttl: ttl.parse().ok()? })
}

/// A number from 1 to 2^53-1, which JSON and JavaScript can hold.
fn id(name: &str, kind: &str, data: &str, attempt: u32) -> u64 {
    // A zone has one SOA record, whose data change with each change of the zone.
    let data = if kind == "SOA" { "" } else { data };
    let text = format!("{}\0{kind}\0{data}\0{attempt}", name.to_ascii_lowercase());
    let hash = digest(&SHA256, text.as_bytes());
    let number = hash.as_ref().iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    (number % MAX_ID.unsigned_abs()).saturating_add(1).min(MAX_ID.unsigned_abs())
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').filter(|name| !name.is_empty() && !name.ends_with(' ')).unwrap_or(name)
}

/// A text without quotes and escapes, or as in a zone file if it is not UTF-8.
fn plain(quoted: &str) -> String {
    text::unquoted(quoted).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| quoted.to_owned())
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
