//! certbot's deploy hook: serves a site with the certificate that certbot has just renewed.

use std::path::Path;
use std::slice;

use serde_json::Value;

use crate::transaction::Transaction;
use crate::web::apply;
use crate::web::certificate::certbot;
use crate::web::certificate::published::{answer, now, record};
use crate::web::site::Site;
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::sites::certificate::as_of;
use opterius_host::sites::site_record::{self, IssueState};

/// Serves the site with the new certificate of `lineage`. If a helper is waiting for certbot, that helper publishes the
/// result; otherwise certbot's timer renewed the certificate, and the result is published here.
///
/// # Errors
/// nginx rejected the configuration, or another step failed.
pub fn serve(host: &Host, lineage: &Path, deadline: Deadline) -> Result<Value, Problem> {
    let domain = certbot::site_of(host, lineage).ok_or_else(|| {
        Problem::NotFound(format!("{} is not the certificate of a site on this server.", lineage.display()))
    })?;
    // Do not take certbot's lock: the process that started certbot holds it.
    let warnings = Transaction::run(host, deadline, |transaction| {
        let site = Site::find(host, &domain)?;
        let warnings = apply::apply(transaction, slice::from_ref(&site), deadline)?;
        let issue = site_record::read(host, &domain)?.and_then(|record| record.issue);
        let issue = issue.map(|issue| as_of(&issue, SystemClock.wall()));
        if issue.is_none_or(|issue| issue.state != IssueState::Running) {
            record(host, &domain, now(IssueState::Issued, None))?;
        }
        Ok(warnings)
    })?;
    Ok(answer(host, &domain, &warnings))
}
