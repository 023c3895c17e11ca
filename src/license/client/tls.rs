//! TLS to the license server, or to a proxy in front of it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, StreamOwned,
};
use webpki_roots::TLS_SERVER_ROOTS;

use crate::license::client::fault::Fault;
use crate::license::client::tls_fault::{self, Chain, Peer};
use opterius_base::stream::Stream;

/// Whether the server has asked for a client certificate: a failure after that has this cause, however it looks.
#[derive(Debug, Default)]
pub struct ClientCertificate(AtomicBool);

impl ClientCertificate {
    /// Whether the server asked.
    pub fn is_wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The Agent has none.
impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Performs the handshake on `stream`. Trusted are Mozilla's authorities and these.
///
/// # Errors
/// Why the handshake failed.
pub fn secure(
    stream: Box<dyn Stream>,
    peer: &Peer<'_>,
    authorities: &[CertificateDer<'static>],
    wanted: &Arc<ClientCertificate>,
) -> Result<Box<dyn Stream>, Fault> {
    let chain = Arc::new(OnceLock::new());
    let connect = || {
        let provider = Arc::new(default_provider());
        let mut trusted = RootCertStore::from_iter(TLS_SERVER_ROOTS.iter().cloned());
        trusted.add_parsable_certificates(authorities.iter().cloned());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(trusted), Arc::clone(&provider)).build();
        let verifier = Recorder { verifier: verifier.map_err(io::Error::other)?, chain: Arc::clone(&chain) };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            // Not a verifier of our own: it only remembers what the real one judged.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.client_auth_cert_resolver = Arc::clone(wanted) as Arc<dyn ResolvesClientCert>;
        let name = ServerName::try_from(peer.host.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let mut secured = StreamOwned::new(connection, stream);
        while secured.conn.is_handshaking() {
            secured.conn.complete_io(&mut secured.sock)?;
        }
        Ok(secured)
    };
    match connect() {
        Ok(secured) => Ok(Box::new(secured)),
        Err(error) => Err(tls_fault::handshake(peer, &error, chain.get(), wanted.is_wanted())),
    }
}

/// The verifier of rustls, which remembers the chain that it rejects.
#[derive(Debug)]
struct Recorder {
    verifier: Arc<WebPkiServerVerifier>,
    chain: Arc<OnceLock<Chain>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verifier.verify_server_cert(leaf, intermediates, name, ocsp, now);
        if verified.is_err() {
            let _ = self.chain.set(Chain { leaf: leaf.to_vec(), is_alone: intermediates.is_empty() });
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
