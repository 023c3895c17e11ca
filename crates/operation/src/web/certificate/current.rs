//! The current certificate of a site: an uploaded one has priority over certbot's.

use crate::web::certificate::files::CertificateFiles;
use crate::web::certificate::{certbot, inspect, trust, uploaded};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_base::text::one_line;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;
use opterius_host::sites::site_record::{Certificate, Source};

/// Longest name of an issuer, in characters.
const MAX_ISSUER: usize = 300;

/// The certificate to serve a site with.
pub fn find(host: &Host, domain: &Domain) -> Option<CertificateFiles> {
    uploaded::find(host, domain).or_else(|| certbot::find(host, domain))
}

/// Facts about a certificate, for the site's record.
///
/// # Errors
/// The certificate cannot be read.
pub fn describe(host: &Host, found: &CertificateFiles, deadline: Deadline) -> Result<Certificate, Problem> {
    let description = inspect::inspect(&found.fullchain, deadline)?;
    // An authority's own program installs complete chains.
    let warning = match found.source {
        Source::Upload => trust::warning(host, &found.fullchain, &description.issuer, SystemClock.wall()),
        Source::Acme => None,
    };
    Ok(Certificate {
        source: found.source,
        issuer: one_line(&description.issuer, MAX_ISSUER),
        warnings: warning.into_iter().collect(),
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
