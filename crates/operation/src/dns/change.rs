//! Changing the records of one type at one name, completely or not at all.

use crate::dns::records::{self, Record};
use crate::servers::powerdns::PowerDns;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;

/// Replaces `before`, the records of this type at this name, by records with these data and this time to live, and raises the
/// serial of the zone, also if nothing changes: an interrupted request may have left that out. Records that make a valid zone
/// invalid are taken back.
///
/// # Errors
/// PowerDNS rejected the records, or does not work.
pub fn replace(
    server: &PowerDns,
    zone: &Domain,
    (name, kind): (&str, &str),
    before: &[&Record],
    (ttl, after): (u32, &[String]),
    deadline: Deadline,
) -> Result<(), Problem> {
    let relative = records::relative(name, zone)?;
    let set = (relative.as_str(), kind);
    let was_valid = server.check(zone, deadline).is_ok();
    server.replace(zone, set, ttl, after, deadline)?;
    let checked = match server.check(zone, deadline) {
        Err(problem) if was_valid => Err(problem),
        _ => server.publish(zone, deadline),
    };
    if checked.is_err() {
        let (old_ttl, old) = (before.first().map_or(ttl, |record| record.ttl), data_of(before));
        let _ = server.replace(zone, set, old_ttl, &old, deadline);
    }
    checked
}

fn data_of(records: &[&Record]) -> Vec<String> {
    records.iter().map(|record| record.data.clone()).collect()
}
