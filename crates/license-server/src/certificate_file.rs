//! The certificates of `webhook_ca_file`.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::cause::cause;
use opterius_base::files;

/// The largest file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Reads the certificates of a PEM file.
///
/// # Errors
/// A sentence with the path: the file cannot be read, or it has no certificate of an authority.
pub(crate) fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |what: &str| format!("webhook_ca_file {}: {what}", path.display());
    let bytes = files::read(path, MAX_FILE).map_err(|error| wrong(&cause(&error)))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|_| wrong("the text of a PEM block is damaged. Copy the file again"))?;
    let is_usable =
        |certificate: &CertificateDer<'_>| RootCertStore::empty().add(certificate.clone().into_owned()).is_ok();
    if certificates.iter().any(is_usable) {
        Ok(certificates)
    } else {
        Err(wrong("contains no PEM certificate (-----BEGIN CERTIFICATE-----)"))
    }
}
