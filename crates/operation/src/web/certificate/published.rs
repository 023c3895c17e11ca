//! The published status of a site's certificate, and responses derived from it.

use serde_json::{Value, json};

use opterius_base::clock::{Clock, SystemClock};
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;
use opterius_host::sites::certificate::status;
use opterius_host::sites::site_record::{self, Issue, IssueState};
use opterius_host::users::register::Register;

/// Publishes the state of an issue. The caller must hold the lock for changes. Does nothing if the site has no record: it
/// was deleted while its certificate was issued.
///
/// # Errors
/// The record is damaged or cannot be written.
pub fn record(host: &Host, domain: &Domain, issue: Option<Issue>) -> Result<(), Problem> {
    let Some(mut record) = site_record::read(host, domain)? else { return Ok(()) };
    record.issue = issue;
    site_record::publish(host, &record, &Register::read(host)?)
}

/// An issue that reached this state now.
pub fn now(state: IssueState, reason: Option<String>) -> Option<Issue> {
    Some(Issue { state, reason, at: SystemClock.wall(), warnings: Vec::new() })
}

/// An attempt that was successful but for a part.
pub fn issued(warnings: &[String]) -> Option<Issue> {
    now(IssueState::Issued, None).map(|issue| Issue { warnings: warnings.to_vec(), ..issue })
}

/// The response of every operation that changes a certificate: its status, and warnings.
pub fn answer(host: &Host, domain: &Domain, warnings: &[String]) -> Value {
    // The operation has just published the record.
    let record = site_record::read(host, domain).ok().flatten();
    let mut answer = status(record.as_ref(), false, SystemClock.wall());
    if let Some(members) = answer.as_object_mut() {
        let noticed = members.get("warnings").and_then(Value::as_array).cloned().unwrap_or_default();
        let further = noticed.into_iter().filter(|one| !warnings.iter().any(|warning| one == warning));
        let all: Vec<Value> = warnings.iter().map(|warning| json!(warning)).chain(further).collect();
        members.insert("warnings".to_owned(), json!(all));
    }
    answer
}
