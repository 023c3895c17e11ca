//! `/dns/add-record`: adds a record to a zone of an account. Records of one name and type share a time to live (RFC 2181
//! §5.2), so all of them get the new one's.

use serde_json::{Value, json};

use crate::dns::records::{self, Record};
use crate::dns::{change, owner};
use crate::perform::{Context, Perform};
use crate::servers::powerdns::PowerDns;
use crate::transaction::Transaction;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::dns_add_record::AddRecord;
use opterius_host::request::record::RecordType;
use opterius_host::request::values::Domain;

/// Most records of one type at one name. More would not fit into an answer.
const MAX_SET: usize = 100;

impl Perform for AddRecord {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        Transaction::run(host, deadline, |_| add(host, self, deadline))
    }
}

fn add(host: &Host, request: &AddRecord, deadline: Deadline) -> Result<Value, Problem> {
    let AddRecord { domain, name, kind, ttl, .. } = request;
    let server = PowerDns::new(host)?;
    owner::check(host, &server, domain, deadline)?;
    check_name(host, name.as_str(), domain)?;
    let records = records::parse(&server.list(domain, deadline)?);
    check_neighbours(&records, request)?;
    let (name, kind, data) = (name.as_str(), kind.word(), request.data());
    let before: Vec<&Record> = records.iter().filter(|record| record.is_of(name, kind)).collect();
    let is_there = before.iter().any(|record| record.has(&data));
    let mut after: Vec<String> = before.iter().map(|record| record.data.clone()).collect();
    if !is_there {
        after.push(data.clone());
    }
    if after.len() > MAX_SET {
        return Err(Problem::Conflict(format!("“{name}” already has {MAX_SET} {kind} records.")));
    }
    change::replace(&server, domain, (name, kind), &before, (*ttl, &after), deadline)?;
    let listed = records::parse(&server.list(domain, deadline)?);
    let mut set = listed.iter().filter(|record| record.is_of(name, kind));
    // PowerDNS may write the data in another way.
    let added = set.find(|record| record.has(&data) || !before.iter().any(|old| old.has(&record.data)));
    Ok(json!({"domain": domain, "record": added.map(Record::to_json), "created": !is_there}))
}

/// Refuses a name that is meant for another site, such as `www.other.example` in the zone `example.com`.
fn check_name(host: &Host, name: &str, zone: &Domain) -> Result<(), Problem> {
    let mut below = name.strip_suffix(zone.as_str()).and_then(|below| below.strip_suffix('.')).unwrap_or_default();
    while let Ok(domain) = Domain::parse("name", below) {
        if owner::has_site(host, &domain) {
            return Err(Problem::invalid(
                "name",
                format!("must be a name in the zone {zone}; {domain} is another site"),
            ));
        }
        below = below.split_once('.').map_or("", |(_, above)| above);
    }
    Ok(())
}

/// A CNAME record must be the only one of its name (RFC 1034 §3.6.2).
fn check_neighbours(records: &[Record], request: &AddRecord) -> Result<(), Problem> {
    let name = request.name.as_str();
    let others = || records.iter().filter(|record| record.name.eq_ignore_ascii_case(name));
    let conflict = |sentence: String| Err(Problem::Conflict(sentence));
    if request.kind == RecordType::Cname {
        let data = request.data();
        return match others().find(|record| record.kind != "CNAME" || !record.has(&data)) {
            Some(other) => conflict(format!(
                "“{name}” already has a {} record, and a CNAME record must be the only one of its name. Delete the other first.",
                other.kind
            )),
            None => Ok(()),
        };
    }
    match others().find(|record| record.kind == "CNAME") {
        Some(_) => {
            conflict(format!("“{name}” has a CNAME record, which must be the only one of its name. Delete it first."))
        }
        None => Ok(()),
    }
}
