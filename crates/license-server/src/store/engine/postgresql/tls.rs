//! TLS to PostgreSQL: always with a verified certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use webpki_roots::TLS_SERVER_ROOTS;

use super::client_certificate::ClientCertificate;
use super::socket::Stream;
use crate::cause::cause;
use opterius_base::files;

/// The largest file of authorities, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The request for TLS, which comes before everything else.
///
/// Source: <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST>
pub(super) const REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Trusts the authorities in the file; without a file, Mozilla's. Signs in with the certificate if there is one and the server
/// asks for it.
///
/// # Errors
/// A sentence: a file cannot be read, or has not what it should have.
pub(super) fn configuration(
    authorities: Option<&Path>,
    client: Option<&ClientCertificate>,
) -> Result<Arc<ClientConfig>, String> {
    let roots = match authorities {
        Some(path) => read(path)?,
        None => RootCertStore::from_iter(TLS_SERVER_ROOTS.iter().cloned()),
    };
    let configuration = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots);
    let Some(client) = client else { return Ok(Arc::new(configuration.with_no_client_auth())) };
    let (certificates, key) = client.read()?;
    let configuration = configuration.with_client_auth_cert(certificates, key);
    configuration.map(Arc::new).map_err(|error| {
        let (certificate, key) = (client.certificates.display(), client.key.display());
        format!("sslcert {certificate} and sslkey {key} do not belong together or cannot be used: {error}")
    })
}

fn read(path: &Path) -> Result<RootCertStore, String> {
    let wrong = |what: &str| format!("sslrootcert {}: {what}", path.display());
    let bytes = files::read(path, MAX_FILE).map_err(|error| wrong(&cause(&error)))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|_| wrong("the text of a PEM block is damaged. Copy the file again"))?;
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(certificates).0 == 0 {
        return Err(wrong("contains no PEM certificate (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(roots)
}

/// Asks the server for TLS and verifies that its certificate is for `host`.
///
/// # Errors
/// A sentence.
pub(super) async fn secure(
    mut stream: Box<dyn Stream>,
    host: &str,
    configuration: Arc<ClientConfig>,
) -> Result<Box<dyn Stream>, String> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| format!("“{host}” is neither a DNS name nor an IP address, so no certificate can be for it"))?;
    let failed = |error: std::io::Error| format!("TLS: {}", cause(&error));
    stream.write_all(&REQUEST).await.map_err(failed)?;
    // One byte and no more: what follows without encryption must not be taken for an answer of later.
    let answer = stream.read_u8().await.map_err(failed)?;
    if answer != b'S' {
        return Err("the server offers no TLS. Set ssl=on in its postgresql.conf; sslmode=disable in the connection \
                    string sends all data unencrypted"
            .to_owned());
    }
    let stream = TlsConnector::from(configuration).connect(name, stream).await.map_err(failed)?;
    Ok(Box::new(stream))
}
