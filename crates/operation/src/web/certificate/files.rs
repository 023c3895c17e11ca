//! The files of a certificate.

use std::path::PathBuf;

use opterius_host::sites::site_record::Source;

/// The files to serve a site with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// How the certificate was obtained.
    pub source: Source,
    /// The chain, starting with the site's own certificate.
    pub fullchain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// The certificate in `directory`, if both files exist.
    pub(crate) fn below(directory: PathBuf, source: Source) -> Option<Self> {
        let (fullchain, key) = (directory.join("fullchain.pem"), directory.join("privkey.pem"));
        (fullchain.is_file() && key.is_file()).then_some(Self { source, fullchain, key })
    }
}
