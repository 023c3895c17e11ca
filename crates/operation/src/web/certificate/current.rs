//! The certificate that counts for a site: an uploaded one before certbot's.

use crate::web::certificate::files::CertificateFiles;
use crate::web::certificate::{certbot, inspect, uploaded};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;
use opterius_host::sites::site_record::Certificate;

/// The certificate that a site is to be served with.
pub fn find(host: &Host, domain: &Domain) -> Option<CertificateFiles> {
    uploaded::find(host, domain).or_else(|| certbot::find(host, domain))
}

/// What is known of a certificate that is there.
///
/// # Errors
/// It cannot be read.
pub fn describe(found: &CertificateFiles, deadline: Deadline) -> Result<Certificate, Problem> {
    let said = inspect::inspect(&found.fullchain, deadline)?;
    Ok(Certificate { source: found.source, issuer: said.issuer, not_after: said.not_after, names: said.names })
}

/// Deletes all files of a domain's certificates, which nginx does not use any more.
///
/// # Errors
/// One cannot be deleted.
pub fn forget(host: &Host, domain: &Domain, deadline: Deadline) -> Result<(), Problem> {
    uploaded::forget(host, domain, deadline)?;
    certbot::forget(host, domain, deadline)
}
