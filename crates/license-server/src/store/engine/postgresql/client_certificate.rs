//! The certificate with which the license server signs in: `sslcert` and `sslkey`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::cause::cause;
use opterius_base::files;

/// The largest file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The files of a certificate and its private key, in PEM. They are read at each connection, so a new certificate is used
/// without a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientCertificate {
    /// The certificate, then those of authorities between it and one that the server knows.
    pub(super) certificates: PathBuf,
    /// The key, without a passphrase.
    pub(super) key: PathBuf,
}

impl ClientCertificate {
    /// Reads the files.
    ///
    /// # Errors
    /// A sentence: a file cannot be read, has not what it should have, or other users can read the key.
    pub(super) fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
        let wrong = |what: &str| format!("sslcert {}: {what}", self.certificates.display());
        let bytes = files::read(&self.certificates, MAX_FILE).map_err(|error| wrong(&cause(&error)))?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let certificates =
            certificates.map_err(|_| wrong("the text of a PEM block is damaged. Copy the file again"))?;
        if certificates.is_empty() {
            return Err(wrong("contains no PEM certificate (-----BEGIN CERTIFICATE-----)"));
        }
        let wrong = |what: &str| format!("sslkey {}: {what}", self.key.display());
        check_permissions(&self.key).map_err(|what| wrong(&what))?;
        let bytes = Zeroizing::new(files::read(&self.key, MAX_FILE).map_err(|error| wrong(&cause(&error)))?);
        let key = PrivateKeyDer::from_pem_slice(&bytes);
        let key = key.map_err(|_| wrong("contains no private key in PEM. A key with a passphrase is not supported"))?;
        Ok((certificates, key))
    }
}

/// As in libpq: only the owner can read the key; root can let a group read its own.
///
/// Source: <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-CLIENTCERT>
fn check_permissions(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path).map_err(|error| cause(&error))?;
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden == 0 {
        return Ok(());
    }
    let shown = path.display();
    Err(format!("other users can read or write the key. Run: chmod 0600 {shown} (0640 if it belongs to root)"))
}
