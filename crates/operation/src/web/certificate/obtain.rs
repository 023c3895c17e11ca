//! Obtaining a certificate with certbot, and serving it. certbot runs under its own lock and outside of a transaction,
//! so that other operations continue meanwhile; only the steps before and after it are transactions.

use std::time::Duration;

use serde_json::Value;

use crate::transaction::Transaction;
use crate::web::apply;
use crate::web::certificate::certbot::{self, CertificateRequest, LeftOut};
use crate::web::certificate::published::{answer, issued, now, record};
use crate::web::certificate::{names, uploaded};
use crate::web::published_sites::ensure;
use crate::web::site::Site;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;
use opterius_host::sites::site_record::IssueState;

/// Time reserved for the steps after certbot.
const FINISH_TIME: Duration = Duration::from_secs(15);

/// Runs certbot, serves the certificate, and publishes the state, with `warnings` about names that were not requested and
/// about those that the certificate does not cover. The caller must hold the lock for certbot.
///
/// # Errors
/// The certificate cannot be obtained or served, or it does not cover the site's domain.
pub(crate) fn obtain(
    host: &Host,
    request: &CertificateRequest<'_>,
    mut warnings: Vec<String>,
    deadline: Deadline,
) -> Result<Value, Problem> {
    Transaction::run(host, deadline, |transaction| begin(transaction, request.site, deadline))?;
    let obtained = certbot::obtain(host, request, deadline.sooner(deadline.left().saturating_sub(FINISH_TIME)));
    let ended = obtained.and_then(|left_out| {
        let served = Transaction::run(host, deadline, |transaction| serve(transaction, request.site, deadline))?;
        warnings.extend(covered(request.site, left_out)?);
        Ok(served)
    });
    let issue = match &ended {
        Ok(_) => issued(&warnings),
        Err(problem) => now(IssueState::Failed, Some(problem.message())),
    };
    Transaction::run(host, deadline, |_| record(host, request.site, issue))?;
    ended.map(|served| answer(host, request.site, &[served, warnings].concat()))
}

/// What is said of the names that the certificate does not cover, if the site's domain is not one of them.
fn covered(domain: &Domain, left_out: Vec<LeftOut>) -> Result<Vec<String>, Problem> {
    match left_out.iter().find(|left_out| left_out.name == *domain) {
        Some(LeftOut { reason, .. }) => Err(Problem::failure(reason.clone())),
        None => Ok(left_out.iter().map(|LeftOut { name, reason }| names::left_out(name, reason)).collect()),
    }
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
