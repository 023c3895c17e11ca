//! Having certbot issue a certificate, and serving it. One certbot runs at a time, under a lock of its own, so that all else
//! goes on meanwhile; only what comes before and after it is a change of the host.

use std::time::Duration;

use serde_json::Value;

use crate::transaction::Transaction;
use crate::web::apply;
use crate::web::certificate::certbot::{self, CertificateOrder};
use crate::web::certificate::published::{answer, now, record};
use crate::web::certificate::uploaded;
use crate::web::site::Site;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;
use opterius_host::sites::site_record::IssueState;

/// What is kept of the time for what comes after certbot.
const AFTERWARDS: Duration = Duration::from_secs(15);

/// Runs certbot and serves what it has brought, and publishes how that goes. The caller holds the lock for certbot.
///
/// # Errors
/// No certificate could be had, or it cannot be served.
pub(crate) fn obtain(host: &Host, order: &CertificateOrder<'_>, deadline: Deadline) -> Result<Value, Problem> {
    Transaction::run(host, deadline, |transaction| begin(transaction, order.site, deadline))?;
    let obtained = certbot::obtain(host, order, deadline.sooner(deadline.left().saturating_sub(AFTERWARDS)));
    let ended = obtained
        .and_then(|()| Transaction::run(host, deadline, |transaction| serve(transaction, order.site, deadline)));
    let issue = match &ended {
        Ok(_) => now(IssueState::Issued, None),
        Err(problem) => now(IssueState::Failed, Some(problem.message())),
    };
    Transaction::run(host, deadline, |_| record(host, order.site, issue))?;
    ended.map(|warnings| answer(host, order.site, &warnings))
}

/// Publishes that certbot is at it, and clears away what would be in its way.
fn begin(transaction: &mut Transaction<'_>, domain: &Domain, deadline: Deadline) -> Result<(), Problem> {
    let host = transaction.host();
    if !certbot::is_whole(host, domain) {
        if certbot::find(host, domain).is_some() {
            apply::apply_with(transaction, &Site::find(host, domain)?, uploaded::find(host, domain), deadline)?;
            transaction.keep()?;
        }
        certbot::forget(host, domain, deadline)?;
    }
    record(host, domain, now(IssueState::Running, None))
}

/// Serves a site with the certificate that certbot has.
fn serve(transaction: &mut Transaction<'_>, domain: &Domain, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    let site = match Site::find(host, domain) {
        Ok(site) => site,
        // It was deleted while certbot ran: nobody else takes away what came too late.
        Err(problem) => return certbot::forget(host, domain, deadline).and(Err(problem)),
    };
    let warnings = apply::apply_with(transaction, &site, certbot::find(host, domain), deadline)?;
    transaction.keep()?;
    // Nothing points to it any more.
    uploaded::forget(host, domain, deadline)?;
    Ok(warnings)
}
