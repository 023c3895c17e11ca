//! The certificates in `license_ca_file`, with a sentence for each way in which the file has none.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error, PemObject};

const BEGIN: &str = "-----BEGIN ";
const CERTIFICATE: &str = "CERTIFICATE-----";

/// The certificates in PEM text; `path` is the file's, for commands that convert it.
///
/// # Errors
/// A predicate, such as “is empty”, with what to do.
pub(super) fn read(bytes: &[u8], path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Err("is empty; put the authority's certificate there, in PEM form".to_owned());
    }
    let certificates: Result<Vec<_>, Error> = CertificateDer::pem_slice_iter(bytes).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(without_certificate(bytes, path)),
        Ok(certificates) if certificates.iter().any(|certificate| is_usable(certificate) && can_issue(certificate)) => {
            Ok(certificates)
        }
        Ok(certificates) if certificates.iter().any(is_usable) => {
            Err("has only certificates of servers (CA:FALSE), which vouch for no other. Name the file with the certificate \
                 of the authority that issued them"
                .to_owned())
        }
        Ok(_) => Err("the text of its PEM block is damaged: it is not a certificate. Copy the file again".to_owned()),
        Err(Error::MissingSectionEnd { .. }) => {
            Err("ends in the middle of a certificate: -----END CERTIFICATE----- is missing. Copy the file again"
                .to_owned())
        }
        Err(_) => Err("the text of a PEM block is damaged: it is not Base64. Copy the file again".to_owned()),
    }
}

fn is_usable(certificate: &CertificateDer<'_>) -> bool {
    RootCertStore::empty().add(certificate.clone().into_owned()).is_ok()
}

/// Whether the certificate is an authority's or is trusted for itself. The basic constraints (RFC 5280 §4.2.1.9) are found
/// by their number: `55 1d 13`, whether they are critical, then a sequence that begins with `01 01 ff` in an authority's.
fn can_issue(certificate: &CertificateDer<'_>) -> bool {
    let mut anchors = RootCertStore::empty();
    let _ = anchors.add(certificate.clone().into_owned());
    let is_own_issuer = anchors.roots.first().is_some_and(|anchor| {
        let subject = anchor.subject.as_ref();
        certificate.windows(subject.len().max(1)).filter(|window| *window == subject).count() > 1
    });
    let place = certificate.windows(3).position(|number| number == [0x55, 0x1d, 0x13]);
    let constraints = place.and_then(|place| certificate.get(place..)?.split(|byte| *byte == 0x30).nth(1));
    is_own_issuer || constraints.is_none_or(|sequence| matches!(sequence, [_, 1, 1, 0xff, ..]))
}

/// What a file without a PEM certificate contains.
fn without_certificate(bytes: &[u8], path: &str) -> String {
    if is_usable(&CertificateDer::from(bytes)) {
        return format!(
            "is a certificate in DER form, not in PEM form; convert it: openssl x509 -inform DER -in {path} -out {path}.pem"
        );
    }
    let text = String::from_utf8_lossy(bytes);
    let label = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once("-----")).map(|(label, _)| label);
    match label {
        Some(label) if label.ends_with("PRIVATE KEY") => {
            "has a private key and no certificate. Name the file with the authority's certificate; keep the key away from here"
                .to_owned()
        }
        Some("TRUSTED CERTIFICATE") => {
            format!("has OpenSSL's own form of a certificate; convert it: openssl x509 -in {path} -out {path}.pem")
        }
        Some("PKCS7" | "CMS") => {
            format!("has a PKCS #7 container; convert it: openssl pkcs7 -print_certs -in {path} -out {path}.pem")
        }
        Some("CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST") => {
            "has a certificate request and no certificate. Name the file with the authority's certificate".to_owned()
        }
        Some("CERTIFICATE") => {
            format!("is damaged: {BEGIN}{CERTIFICATE} must begin its line and be alone in it. Copy the file again")
        }
        _ => format!("contains no PEM certificate ({BEGIN}{CERTIFICATE})"),
    }
}

#[cfg(test)]
#[path = "certificate_file_tests.rs"]
mod tests;
