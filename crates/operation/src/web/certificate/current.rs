//! The current certificate of a site: an uploaded one has priority over certbot's.

use crate::web::certificate::files::CertificateFiles;
use crate::web::certificate::{certbot, inspect, uploaded};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;
use opterius_host::sites::site_record::Certificate;

/// The certificate to serve a site with.
pub fn find(host: &Host, domain: &Domain) -> Option<CertificateFiles> {
    uploaded::find(host, domain).or_else(|| certbot::find(host, domain))
}

/// Facts about a certificate, for the site's record.
///
/// # Errors
/// The certificate cannot be read.
pub fn describe(found: &CertificateFiles, deadline: Deadline) -> Result<Certificate, Problem> {
    let description = inspect::inspect(&found.fullchain, deadline)?;
    Ok(Certificate {
        source: found.source,
        issuer: description.issuer,
        not_after: description.not_after,
        names: description.names,
    })
}

/// Deletes all certificate files of a domain. nginx must no longer refer to them.
///
/// # Errors
/// A file cannot be deleted.
pub fn forget(host: &Host, domain: &Domain, deadline: Deadline) -> Result<(), Problem> {
    uploaded::forget(host, domain, deadline)?;
    certbot::forget(host, domain, deadline)
}
