//! DNS records in requests: their names, their types, and the rules of their contents.

pub mod content;
pub mod text;

use std::net::IpAddr;

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::values::Domain;

/// Largest id of a record: JavaScript's and JSON's numbers are exact up to it.
pub const MAX_ID: i64 = (1 << 53) - 1;

/// Longest name (RFC 1035 §2.3.4), without the trailing dot.
const MAX_NAME: usize = 253;

/// Last labels that show that a name is meant as a whole one and not relative to a zone.
const WHOLE: [&str; 7] = ["arpa", "com", "edu", "gov", "net", "onion", "org"];

/// A type of records that the Panel offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the types are DNS's own")]
pub enum RecordType {
    A,
    Aaaa,
    Cname,
    Mx,
    Txt,
    Ns,
    Srv,
    Caa,
}

impl RecordType {
    const ALL: [(&'static str, Self); 8] = [
        ("A", Self::A),
        ("AAAA", Self::Aaaa),
        ("CNAME", Self::Cname),
        ("MX", Self::Mx),
        ("TXT", Self::Txt),
        ("NS", Self::Ns),
        ("SRV", Self::Srv),
        ("CAA", Self::Caa),
    ];

    /// Parses the field `type`.
    ///
    /// # Errors
    /// It is missing or another type.
    pub fn parse(fields: &Fields) -> Result<Self, Problem> {
        fields.one_of("type", &Self::ALL)
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| *word)
    }
}

/// The full name of a record in a zone, in lowercase and without the trailing dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordName(String);

impl RecordName {
    /// Parses a name: `@` or empty for the zone itself, a full name in the zone, or one relative to it.
    ///
    /// # Errors
    /// It is not a name in the zone.
    pub fn parse(field: &str, text: &str, zone: &Domain) -> Result<Self, Problem> {
        let refuse = |rule: String| Err(Problem::invalid(field, rule));
        if matches!(text, "" | "@") {
            return Ok(Self(zone.as_str().to_owned()));
        }
        let lower = text.to_ascii_lowercase();
        let is_below = |name: &str| name == zone.as_str() || name.ends_with(&format!(".{zone}"));
        let full = match lower.strip_suffix('.') {
            Some(full) if is_below(full) => full.to_owned(),
            Some(_) => return refuse(format!("must be a name in the zone {zone}")),
            None if is_below(&lower) => lower,
            None if lower.rsplit_once('.').is_some_and(|(_, last)| WHOLE.contains(&last)) => {
                return refuse(format!("must be a name in the zone {zone}, such as www or www.{zone}"));
            }
            None => format!("{lower}.{zone}"),
        };
        let is_wildcard = full.strip_prefix("*.").is_some();
        let labels = full.strip_prefix("*.").unwrap_or(&full);
        if full.len() > MAX_NAME || !labels.split('.').all(is_label) || (is_wildcard && !is_below(labels)) {
            return refuse(format!(
                "must be @ or a name in the zone: labels of letters, digits, hyphens and underscores, separated by dots, \
                 perhaps with * as the first, at most {MAX_NAME} characters"
            ));
        }
        Ok(Self(full))
    }

    /// The full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for RecordName {
    /// With a dot at the end, which makes it unambiguous.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}.", self.0))
    }
}

/// A label of a record's name: like a host's, and with underscores (RFC 8552).
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The full name of a host in a record's content, with a dot at the end; `@` is the zone.
fn target(text: &str, zone: &Domain) -> Option<String> {
    if text == "@" {
        return Some(format!("{zone}."));
    }
    let lower = text.to_ascii_lowercase();
    let full = lower.strip_suffix('.').unwrap_or(&lower);
    let is_name = full.len() <= MAX_NAME && full.contains('.') && full.split('.').all(is_label);
    (is_name && full.parse::<IpAddr>().is_err()).then(|| format!("{full}."))
}

#[cfg(test)]
#[path = "../record_tests.rs"]
mod tests;
