//! Certificates of sites: where they are, and what is known of them.

use std::path::PathBuf;

use crate::operations::changes::about;
use crate::operations::deadline::Deadline;
use crate::operations::facts::{Certificate, Source};
use crate::operations::fields::Domain;
use crate::operations::host::Host;
use crate::operations::problem::Problem;
use crate::operations::tree;

/// Where certbot puts challenges, and nginx serves them from. Only root writes there.
pub const WEBROOT: &str = "/var/lib/opterius/acme";

/// Where uploaded certificates are.
pub const UPLOADED: &str = "/var/lib/opterius/certificates";

const CERTBOT: &str = "/etc/letsencrypt";

/// A certificate that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDisk {
    /// Where it comes from.
    pub source: Source,
    /// The chain.
    pub fullchain: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// The certificate that a site is to be served with; an uploaded one comes before certbot's.
pub fn on_disk(host: &Host, domain: &Domain) -> Option<OnDisk> {
    [(Source::Upload, UPLOADED.to_owned()), (Source::Acme, format!("{CERTBOT}/live"))].into_iter().find_map(
        |(source, directory)| {
            let directory = host.path(&directory).join(domain.as_str());
            let (fullchain, key) = (directory.join("fullchain.pem"), directory.join("privkey.pem"));
            (fullchain.is_file() && key.is_file()).then_some(OnDisk { source, fullchain, key })
        },
    )
}

/// What is known of a certificate that is there.
///
/// # Errors
/// It cannot be read.
pub fn describe(_host: &Host, _found: &OnDisk, _deadline: Deadline) -> Result<Certificate, Problem> {
    Err(Problem::Unavailable("Certificates come next.".to_owned()))
}

/// Deletes every certificate of a domain that no site uses any more.
///
/// # Errors
/// One cannot be deleted.
pub fn forget(host: &Host, domain: &Domain, deadline: Deadline) -> Result<(), Problem> {
    for directory in [UPLOADED.to_owned(), format!("{CERTBOT}/live"), format!("{CERTBOT}/archive")] {
        tree::remove(&host.path(&directory).join(domain.as_str()), deadline)?;
    }
    let renewal = host.path(&format!("{CERTBOT}/renewal/{domain}.conf"));
    match std::fs::remove_file(&renewal) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(about(&renewal, error)),
        _ => Ok(()),
    }
}
