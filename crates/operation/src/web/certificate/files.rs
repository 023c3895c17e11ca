//! The files of a certificate.

use std::path::PathBuf;

use opterius_host::sites::site_record::Source;

/// A certificate that a site can be served with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Where it comes from.
    pub source: Source,
    /// The chain, the site's own certificate first.
    pub fullchain: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// The certificate in `directory`, if chain and key are there.
    pub(crate) fn below(directory: PathBuf, source: Source) -> Option<Self> {
        let (fullchain, key) = (directory.join("fullchain.pem"), directory.join("privkey.pem"));
        (fullchain.is_file() && key.is_file()).then_some(Self { source, fullchain, key })
    }
}
