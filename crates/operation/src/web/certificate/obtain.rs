//! Having certbot issue a certificate, and serving it. One certbot runs at a time, under a lock of its own, so that all else
//! goes on meanwhile; only what comes before and after it is a change of the host.

use std::time::Duration;

use serde_json::Value;

use crate::transaction::Changes;
use crate::web::apply;
use crate::web::certificate::certbot::{self, Order};
use crate::web::certificate::published::{answer, now, record};
use crate::web::certificate::uploaded;
use crate::web::site::Site;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;
use opterius_host::sites::facts::IssueState;

/// What is kept of the time for what comes after certbot.
const AFTERWARDS: Duration = Duration::from_secs(15);

/// Runs certbot and serves what it has brought, and publishes how that goes. The caller holds the lock for certbot.
///
/// # Errors
/// No certificate could be had, or it cannot be served.
pub(crate) fn obtain(host: &Host, order: &Order<'_>, deadline: Deadline) -> Result<Value, Problem> {
    Changes::run(host, deadline, |changes| begin(changes, order.site, deadline))?;
    let obtained = certbot::obtain(host, order, deadline.sooner(deadline.left().saturating_sub(AFTERWARDS)));
    let ended = obtained.and_then(|()| Changes::run(host, deadline, |changes| serve(changes, order.site, deadline)));
    let issue = match &ended {
        Ok(_) => now(IssueState::Issued, None),
        Err(problem) => now(IssueState::Failed, Some(problem.message())),
    };
    Changes::run(host, deadline, |_| record(host, order.site, issue))?;
    ended.map(|warnings| answer(host, order.site, &warnings))
}

/// Publishes that certbot is at it, and clears away what would be in its way.
fn begin(changes: &mut Changes<'_>, domain: &Domain, deadline: Deadline) -> Result<(), Problem> {
    let host = changes.host();
    if !certbot::is_whole(host, domain) {
        if certbot::find(host, domain).is_some() {
            apply::apply_with(changes, &Site::find(host, domain)?, uploaded::find(host, domain), deadline)?;
            changes.keep()?;
        }
        certbot::forget(host, domain, deadline)?;
    }
    record(host, domain, now(IssueState::Running, None))
}

/// Serves a site with the certificate that certbot has.
fn serve(changes: &mut Changes<'_>, domain: &Domain, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = changes.host();
    let site = match Site::find(host, domain) {
        Ok(site) => site,
        // It was deleted while certbot ran: nobody else takes away what came too late.
        Err(problem) => return certbot::forget(host, domain, deadline).and(Err(problem)),
    };
    let warnings = apply::apply_with(changes, &site, certbot::find(host, domain), deadline)?;
    changes.keep()?;
    // Nothing points to it any more.
    uploaded::forget(host, domain, deadline)?;
    Ok(warnings)
}
