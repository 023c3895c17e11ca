//! Issuing and renewing. One certbot runs at a time, under a lock of its own, so that all else goes on meanwhile; only
//! what comes before and after it is a change of the host.

use std::path::Path;
use std::slice;
use std::time::Duration;

use serde_json::Value;

use crate::transaction::Changes;
use crate::transaction::lock;
use crate::web::certificate::certbot::{self, Order};
use crate::web::certificate::inspect::inspect;
use crate::web::certificate::{answer, names, now, on_disk, record, uploaded};
use crate::web::site::{self, Site};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::IssueCertificate;
use opterius_host::request::fields::Domain;
use opterius_host::sites::certificate::as_of;
use opterius_host::sites::facts::{self, IssueState, Source};

/// What is kept of the time for what comes after certbot.
const AFTERWARDS: Duration = Duration::from_secs(15);

/// Has a certificate issued for a site, unless it has one that is good for a while yet; an uploaded one is replaced.
///
/// # Errors
/// The site is not there or is somebody else's, or no certificate could be had; why is told in words.
pub fn issue(host: &Host, request: &IssueCertificate, deadline: Deadline) -> Result<Value, Problem> {
    let IssueCertificate { domain, email, username } = request;
    let site = match username {
        Some(username) => Site::find_of(host, domain, username)?,
        None => Site::find(host, domain)?,
    };
    let _certbot = lock::certificates(host, deadline)?;
    let names = names::of_site(&site, host);
    obtain(host, &Order { site: domain, names: &names, email: Some(email), anew: false }, deadline)
}

/// Has a new certificate issued at once in the place of the one that a site has, for the same names.
///
/// # Errors
/// The site has no certificate, or an uploaded one, or no new one could be had; why is told in words.
pub fn renew(host: &Host, domain: &Domain, deadline: Deadline) -> Result<Value, Problem> {
    Site::find(host, domain)?;
    let _certbot = lock::certificates(host, deadline)?;
    let found = on_disk(host, domain)
        .ok_or_else(|| Problem::NotFound(format!("The site “{domain}” has no certificate. Issue one first.")))?;
    if found.source == Source::Upload {
        return Err(Problem::Conflict(format!(
            "The certificate of “{domain}” was uploaded, and only whoever has issued it can renew it. Upload the new one, \
             or issue one here in its place."
        )));
    }
    let names: Result<Vec<Domain>, Problem> =
        inspect(&found.fullchain, deadline)?.names.iter().map(|name| provable(domain, name)).collect();
    obtain(host, &Order { site: domain, names: &names?, email: None, anew: true }, deadline)
}

/// A name that can be proved over HTTP, as every domain and no wildcard can.
fn provable(domain: &Domain, name: &str) -> Result<Domain, Problem> {
    Domain::parse("domain", name).map_err(|_| {
        Problem::Conflict(format!(
            "The certificate of “{domain}” is good for “{name}”, too, which cannot be proved over HTTP. Delete it and issue \
             a new one."
        ))
    })
}

/// What certbot's deploy hook does: the site is served with what is new in `lineage`. Whoever waits for certbot publishes
/// how the issue ended; here it is certbot's timer that has renewed.
///
/// # Errors
/// nginx refused, or something else failed.
pub fn renewed(host: &Host, lineage: &Path, deadline: Deadline) -> Result<Value, Problem> {
    let domain = certbot::site_of(host, lineage)
        .ok_or_else(|| Problem::NotFound(format!("{} is not the certificate of a site.", lineage.display())))?;
    // Not the lock for certbot: whoever has started it holds that one.
    let warnings = Changes::run(host, deadline, |changes| {
        let site = Site::find(host, &domain)?;
        let warnings = site::apply(changes, slice::from_ref(&site), deadline)?;
        let issue = facts::read(host, &domain).and_then(|facts| facts.issue);
        let issue = issue.map(|issue| as_of(&issue, SystemClock.wall()));
        if issue.is_none_or(|issue| issue.state != IssueState::Running) {
            record(host, &domain, now(IssueState::Issued, None))?;
        }
        Ok(warnings)
    })?;
    Ok(answer(host, &domain, &warnings))
}

/// Runs certbot and serves what it has brought, and publishes how that goes. The caller holds the lock for certbot.
fn obtain(host: &Host, order: &Order<'_>, deadline: Deadline) -> Result<Value, Problem> {
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
            site::apply_with(changes, &Site::find(host, domain)?, uploaded::find(host, domain), deadline)?;
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
    let warnings = site::apply_with(changes, &site, certbot::find(host, domain), deadline)?;
    changes.keep()?;
    // Nothing points to it any more.
    uploaded::forget(host, domain, deadline)?;
    Ok(warnings)
}
