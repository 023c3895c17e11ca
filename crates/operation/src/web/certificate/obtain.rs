//! Obtaining a certificate with certbot, and serving it. certbot runs under its own lock and outside of a transaction,
//! so that other operations continue meanwhile; only the steps before and after it are transactions.

use std::time::Duration;

use serde_json::Value;

use crate::transaction::Transaction;
use crate::web::apply;
use crate::web::certificate::certbot::{self, CertificateRequest};
use crate::web::certificate::published::{answer, now, record};
use crate::web::certificate::uploaded;
use crate::web::published_sites::ensure;
use crate::web::site::Site;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;
use opterius_host::sites::site_record::IssueState;

/// Time reserved for the steps after certbot.
const FINISH_TIME: Duration = Duration::from_secs(15);

/// Runs certbot, serves the certificate, and publishes the state. The caller must hold the lock for certbot.
///
/// # Errors
/// The certificate cannot be obtained or served.
pub(crate) fn obtain(host: &Host, request: &CertificateRequest<'_>, deadline: Deadline) -> Result<Value, Problem> {
    Transaction::run(host, deadline, |transaction| begin(transaction, request.site, deadline))?;
    let obtained = certbot::obtain(host, request, deadline.sooner(deadline.left().saturating_sub(FINISH_TIME)));
    let ended = obtained
        .and_then(|()| Transaction::run(host, deadline, |transaction| serve(transaction, request.site, deadline)));
    let issue = match &ended {
        Ok(_) => now(IssueState::Issued, None),
        Err(problem) => now(IssueState::Failed, Some(problem.message())),
    };
    Transaction::run(host, deadline, |_| record(host, request.site, issue))?;
    ended.map(|warnings| answer(host, request.site, &warnings))
}

/// Publishes that certbot is running, and deletes an incomplete lineage that it could not use.
fn begin(transaction: &mut Transaction<'_>, domain: &Domain, deadline: Deadline) -> Result<(), Problem> {
    let host = transaction.host();
    if !certbot::is_whole(host, domain) {
        if certbot::find(host, domain).is_some() {
            apply::apply_with(transaction, &Site::find(host, domain)?, uploaded::find(host, domain), deadline)?;
            transaction.commit()?;
        }
        certbot::forget(host, domain, deadline)?;
    }
    ensure(host, &Site::find(host, domain)?, deadline)?;
    record(host, domain, now(IssueState::Running, None))
}

/// Serves a site with the certificate that certbot has.
fn serve(transaction: &mut Transaction<'_>, domain: &Domain, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    let site = match Site::find(host, domain) {
        Ok(site) => site,
        // The site was deleted while certbot ran, so its certificate must be deleted here.
        Err(problem) => return certbot::forget(host, domain, deadline).and(Err(problem)),
    };
    let warnings = apply::apply_with(transaction, &site, certbot::find(host, domain), deadline)?;
    transaction.commit()?;
    // nginx no longer refers to it.
    uploaded::forget(host, domain, deadline)?;
    Ok(warnings)
}
