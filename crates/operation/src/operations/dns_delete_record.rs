//! `/dns/delete-record`: deletes one record by its id, or all records of a type at a name, of a zone of an account.

use serde_json::{Value, json};

use crate::dns::records::{self, Record};
use crate::dns::{change, owner};
use crate::perform::{Context, Perform};
use crate::servers::powerdns::PowerDns;
use crate::transaction::Transaction;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::dns_delete_record::{DeleteRecord, WhichRecords};
use opterius_host::request::values::Domain;

impl Perform for DeleteRecord {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        Transaction::run(host, deadline, |_| delete(host, self, deadline))
    }
}

fn delete(host: &Host, request: &DeleteRecord, deadline: Deadline) -> Result<Value, Problem> {
    let domain = &request.domain;
    let server = PowerDns::new(host)?;
    owner::check(host, &server, domain, deadline)?;
    let records = records::parse(&server.list(domain, deadline)?);
    let is_meant = |record: &&Record| match &request.which {
        WhichRecords::Id { id } => record.id == *id,
        WhichRecords::Set { name, kind } => record.is_of(name.as_str(), kind.word()),
    };
    let Some(first) = records.iter().find(is_meant) else {
        return match &request.which {
            WhichRecords::Id { id } => {
                Err(Problem::NotFound(format!("The zone “{domain}” has no record with the id {id}. Reload the list.")))
            }
            // The Panel repeats this form without a look at the answer.
            WhichRecords::Set { .. } => Ok(json!({"domain": domain, "deleted": 0})),
        };
    };
    let set: Vec<&Record> = records.iter().filter(|record| record.is_of(&first.name, &first.kind)).collect();
    let kept: Vec<String> = set.iter().filter(|record| !is_meant(record)).map(|record| record.data.clone()).collect();
    check_vital(first, kept.is_empty(), domain)?;
    let deleted = set.len().saturating_sub(kept.len());
    change::replace(&server, domain, (&first.name, &first.kind), &set, (first.ttl, &kept), deadline)?;
    Ok(json!({"domain": domain, "deleted": deleted}))
}

/// Refuses to delete records without which the zone is not served.
fn check_vital(record: &Record, is_last: bool, zone: &Domain) -> Result<(), Problem> {
    let is_vital = record.kind == "SOA" || (record.kind == "NS" && is_last);
    if is_vital && record.name.eq_ignore_ascii_case(zone.as_str()) {
        let kind = &record.kind;
        return Err(Problem::Conflict(format!(
            "A zone needs its {kind} record, so that of “{zone}” cannot be deleted."
        )));
    }
    Ok(())
}
