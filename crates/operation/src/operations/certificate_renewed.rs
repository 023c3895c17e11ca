//! What certbot's deploy hook has done: a site is served with the certificate that certbot has just renewed.

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

/// Serves the site with what is new in `lineage`. Whoever waits for certbot publishes
/// how the issue ended; here it is certbot's timer that has renewed.
///
/// # Errors
/// nginx refused, or something else failed.
pub fn serve(host: &Host, lineage: &Path, deadline: Deadline) -> Result<Value, Problem> {
    let domain = certbot::site_of(host, lineage)
        .ok_or_else(|| Problem::NotFound(format!("{} is not the certificate of a site.", lineage.display())))?;
    // Not the lock for certbot: whoever has started it holds that one.
    let warnings = Transaction::run(host, deadline, |transaction| {
        let site = Site::find(host, &domain)?;
        let warnings = apply::apply(transaction, slice::from_ref(&site), deadline)?;
        let issue = site_record::read(host, &domain).and_then(|record| record.issue);
        let issue = issue.map(|issue| as_of(&issue, SystemClock.wall()));
        if issue.is_none_or(|issue| issue.state != IssueState::Running) {
            record(host, &domain, now(IssueState::Issued, None))?;
        }
        Ok(warnings)
    })?;
    Ok(answer(host, &domain, &warnings))
}
