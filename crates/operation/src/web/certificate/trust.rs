//! Whether the chain that a site sends leads to an authority that visitors know.

use std::path::Path;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

use crate::web::certificate::pem;
use opterius_base::clock::Timestamp;
use opterius_base::files;
use opterius_base::text::one_line;
use opterius_host::host::Host;

/// The files in which distributions keep the authorities that browsers and programs know.
const KNOWN: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// Largest such file, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Whether the certificate's key signed the last one of the chain. If the chain is not valid at `now`, any has.
pub(crate) fn is_issued_by(chain: &[CertificateDer<'_>], issuer: &CertificateDer<'_>, now: Timestamp) -> bool {
    let Ok(anchor) = anchor_from_trusted_cert(issuer) else { return false };
    let verified = verify(chain, &[anchor], now);
    // Time and usage are checked elsewhere.
    !matches!(verified, Err(Error::UnknownIssuer | Error::InvalidSignatureForPublicKey))
}

/// What visitors see because of the chain in this file, if they do not trust it. `issuer` is the name of the certificate's
/// own issuer.
pub(crate) fn warning(host: &Host, fullchain: &Path, issuer: &str, now: Timestamp) -> Option<String> {
    let known = KNOWN.iter().map(|path| certificates(&host.path(path))).find(|known| !known.is_empty())?;
    let chain = certificates(fullchain);
    let anchors: Vec<TrustAnchor<'_>> =
        known.iter().filter_map(|certificate| anchor_from_trusted_cert(certificate).ok()).collect();
    if !matches!(verify(&chain, &anchors, now), Err(Error::UnknownIssuer)) {
        return None;
    }
    let issuer = one_line(issuer, 200);
    Some(match chain.len() {
        0 | 1 => format!(
            "The certificate of its issuer “{issuer}” is missing, so many visitors see an error. Upload the certificate \
             together with the intermediate certificates of its authority."
        ),
        _ => format!(
            "Its chain, from “{issuer}” on, does not lead to an authority that this server knows, so visitors may see an \
             error. If an intermediate certificate is missing, upload the complete chain."
        ),
    })
}

fn verify(chain: &[CertificateDer<'_>], anchors: &[TrustAnchor<'_>], now: Timestamp) -> Result<(), Error> {
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now.unix().unsigned_abs()));
    let (leaf, intermediates) = chain.split_first().ok_or(Error::UnknownIssuer)?;
    let leaf = EndEntityCert::try_from(leaf)?;
    let usage = KeyUsage::server_auth();
    leaf.verify_for_usage(ALL_VERIFICATION_ALGS, anchors, intermediates, now, usage, None, None).map(drop)
}

/// The certificates of a file; none if it cannot be read.
fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    let text = files::read(path, MAX_FILE).unwrap_or_default();
    let sections = pem::sections(&String::from_utf8_lossy(&text)).unwrap_or_default();
    sections.into_iter().map(|section| CertificateDer::from(section.der)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    #[test]
    fn a_chain_that_leads_to_no_known_authority_is_named() {
        let authority = |name: &str| {
            let mut parameters = CertificateParams::new([]).unwrap();
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters.distinguished_name.push(DnType::CommonName, name);
            parameters
        };
        let key = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(authority("Root"), key()).unwrap();
        let intermediate = CertifiedIssuer::signed_by(authority("Intermediate"), key(), &root).unwrap();
        let leaf = CertificateParams::new(["a.example".to_owned()]).unwrap().signed_by(&key(), &intermediate).unwrap();
        let other = CertifiedIssuer::self_signed(authority("Other"), key()).unwrap();
        let tree = Tree::new();
        let warned = |chain: String| warning(&tree.host, &tree.write("/chain", chain), "CN=Intermediate", NOW);
        let (leaf, intermediate) = (leaf.pem(), intermediate.pem());
        assert_eq!(warned(leaf.clone()), None, "without a list of authorities, nothing is known");
        tree.write(KNOWN[0], format!("{}{}", other.pem(), root.pem()));
        assert_eq!(warned(format!("{leaf}{intermediate}")), None);
        assert_eq!(warned(format!("{leaf}{intermediate}{}", root.pem())), None);
        assert!(warned(leaf.clone()).unwrap().contains("“CN=Intermediate” is missing"));
        tree.write(KNOWN[0], other.pem());
        assert!(warned(format!("{leaf}{intermediate}")).unwrap().contains("does not lead to an authority"));
    }
}
