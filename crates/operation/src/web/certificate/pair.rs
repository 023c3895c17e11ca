//! Checks of an uploaded certificate and key, and their canonical form.

use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use webpki::EndEntityCert;

use crate::web::certificate::inspect::{Description, describe};
use crate::web::certificate::key;
use crate::web::certificate::pem::{self, Section};
use crate::web::certificate::trust;
use opterius_base::clock::Timestamp;
use opterius_base::deadline::Deadline;
use opterius_base::secret::Secret;
use opterius_base::text::one_line;
use opterius_host::problem::Problem;
use opterius_host::request::ssl_upload::UploadCertificate;
use opterius_host::request::values::Domain;

/// Largest number of certificates in a chain.
const MAX_CERTIFICATES: usize = 10;

/// Largest number of names in a certificate, as at Let's Encrypt.
const MAX_NAMES: usize = 100;

/// A checked certificate and key, in canonical form.
pub(crate) struct Pair {
    /// The site's own certificate, followed by the one that issued it, and so on.
    pub(crate) fullchain: String,
    /// The private key.
    pub(crate) key: Secret,
    /// What was wrong with the upload, but does not matter.
    pub(crate) warnings: Vec<String>,
}

/// One certificate of the upload.
struct Certificate {
    /// Its place in the upload, from 1.
    number: usize,
    der: CertificateDer<'static>,
    description: Description,
}

/// Checks that the certificate and the key match and are valid for the site at `now`, and puts the chain in order.
///
/// # Errors
/// They are not; the error names the field and the reason.
pub(crate) fn check(upload: &UploadCertificate, now: Timestamp, deadline: Deadline) -> Result<Pair, Problem> {
    let certificates = certificates(&upload.certificate)?;
    let (label, key_der) = private_key(upload.private_key.expose())?;
    let mut described = Vec::new();
    for (number, der) in certificates {
        described.push(Certificate { number, description: describe_one(number, &der, deadline)?, der });
    }
    let given = described.len();
    let chain = chain(described, &key_der, now)?;
    let leaf = chain.first().map_or(1, |leaf| leaf.number);
    covers(&chain, &upload.domain)?;
    valid_at(&chain, now)?;
    let mut warnings = Vec::new();
    if chain.len() < given {
        let dropped = given.saturating_sub(chain.len());
        warnings
            .push(format!("{dropped} of the uploaded certificates did not issue certificate {leaf} and are not used."));
    }
    Ok(Pair {
        fullchain: chain.iter().map(|certificate| pem::write(CERTIFICATE, &certificate.der)).collect(),
        key: Secret::new(pem::write(&label, key_der.secret_der())),
        warnings,
    })
}

fn refuse<T>(rule: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::invalid("certificate", rule))
}

fn refuse_key<T>(rule: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::invalid("private_key", rule))
}

/// The label of a certificate, and one of early versions of OpenSSL.
const CERTIFICATE: &str = "CERTIFICATE";
const EARLY_CERTIFICATE: &str = "X509 CERTIFICATE";

/// The certificates of the upload, with their numbers, without duplicates.
fn certificates(text: &str) -> Result<Vec<(usize, CertificateDer<'static>)>, Problem> {
    if text.contains("PRIVATE KEY-----") {
        return refuse("contains a private key, which belongs in “private_key” only");
    }
    let sections = match pem::sections(text) {
        Ok(sections) => sections,
        Err(fault) => return refuse(format!("is not in PEM format: {fault}")),
    };
    if sections.iter().any(|section| matches!(section.label.as_str(), "PKCS7" | "CMS")) {
        return refuse("is in PKCS #7 format; convert it first (openssl pkcs7 -print_certs -in FILE)");
    }
    if sections.iter().any(|section| section.label.ends_with("CERTIFICATE REQUEST")) {
        return refuse("is a request for a certificate; upload what the certificate authority sent in return");
    }
    let mut found: Vec<(usize, CertificateDer<'static>)> = Vec::new();
    let is_certificate = |section: &Section| [CERTIFICATE, EARLY_CERTIFICATE].contains(&section.label.as_str());
    for (number, section) in (1..).zip(sections.into_iter().filter(is_certificate)) {
        let der = CertificateDer::from(section.der);
        if !found.iter().any(|(_, earlier)| *earlier == der) {
            found.push((number, der));
        }
    }
    match found.len() {
        0 => refuse("contains no certificate"),
        1..=MAX_CERTIFICATES => Ok(found),
        _ => refuse(format!("has more than {MAX_CERTIFICATES} certificates")),
    }
}

fn describe_one(number: usize, der: &CertificateDer<'_>, deadline: Deadline) -> Result<Description, Problem> {
    match describe(der, deadline) {
        Err(Problem::Failed(_)) => refuse(format!("cannot be used: its certificate {number} cannot be read")),
        description => description,
    }
}

/// The label and the content of the private key. There can be other sections next to it, such as the parameters of its
/// curve, or its certificate.
fn private_key(text: &str) -> Result<(String, PrivateKeyDer<'static>), Problem> {
    // The two formats, of RFC 7468 and RFC 1421.
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return refuse_key("is encrypted; remove its passphrase first (openssl pkey -in FILE)");
    }
    let sections = match pem::sections(text) {
        Ok(sections) => sections,
        Err(fault) => return refuse_key(format!("is not in PEM format: {fault}")),
    };
    let mut keys = sections.into_iter().filter(|section| section.label.ends_with("PRIVATE KEY"));
    let Some(Section { label, der }) = keys.next() else { return refuse_key("contains no private key") };
    if keys.any(|other| other.der != der) {
        return refuse_key("contains more than one private key; send the certificate's own key only");
    }
    let key = match label.as_str() {
        "PRIVATE KEY" => PrivateKeyDer::Pkcs8(der.into()),
        "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(der.into()),
        "EC PRIVATE KEY" => PrivateKeyDer::Sec1(der.into()),
        _ => return refuse_key(UNSUPPORTED),
    };
    Ok((label, key))
}

const UNSUPPORTED: &str = "has an unsupported type; use RSA with 2048 to 8192 bits, ECDSA P-256 or P-384, or Ed25519";

/// The certificate of this key, followed by the one that issued it, and so on; in whatever order they were uploaded.
fn chain(mut left: Vec<Certificate>, key: &PrivateKeyDer<'_>, now: Timestamp) -> Result<Vec<Certificate>, Problem> {
    let Some(public) = key::subject_public_key_info(key) else { return refuse_key(UNSUPPORTED) };
    let is_its = |certificate: &Certificate| {
        let parsed = EndEntityCert::try_from(&certificate.der);
        parsed.is_ok_and(|parsed| parsed.subject_public_key_info().as_ref() == public)
    };
    let Some(place) = left.iter().position(is_its) else {
        return match left.iter().find(|certificate| EndEntityCert::try_from(&certificate.der).is_err()) {
            Some(Certificate { number, .. }) if left.len() == 1 => refuse(format!(
                "cannot be used: its certificate {number} is not a server certificate (X.509 version 3)"
            )),
            _ => refuse_key("does not match the certificate"),
        };
    };
    let mut chain = vec![left.remove(place)];
    while let Some(place) = chain.last().and_then(|last| issuer_of(last, &chain, &left, now)) {
        chain.push(left.remove(place));
    }
    Ok(chain)
}

/// Which of the certificates that are left issued the last one of the chain.
fn issuer_of(last: &Certificate, chain: &[Certificate], left: &[Certificate], now: Timestamp) -> Option<usize> {
    let Description { issuer, subject, .. } = &last.description;
    let has_its_name = |certificate: &Certificate| issuer != subject && certificate.description.subject == *issuer;
    let named: Vec<usize> = (0..).zip(left).filter(|(_, one)| has_its_name(one)).map(|(place, _)| place).collect();
    // An authority can have several certificates with the same name, and different keys.
    let ders: Vec<CertificateDer<'_>> = chain.iter().map(|certificate| certificate.der.clone()).collect();
    let has_its_key = |place: &&usize| left.get(**place).is_some_and(|one| trust::is_issued_by(&ders, &one.der, now));
    named.iter().find(has_its_key).or(named.first()).copied()
}

fn covers(chain: &[Certificate], domain: &Domain) -> Result<(), Problem> {
    let Some(Certificate { number, der, description }) = chain.first() else {
        return refuse("contains no certificate");
    };
    if description.name_count > MAX_NAMES {
        return refuse(format!("has more than {MAX_NAMES} names"));
    }
    let name = ServerName::try_from(domain.as_str());
    let parsed = EndEntityCert::try_from(der);
    if let (Ok(parsed), Ok(name)) = (parsed, name)
        && parsed.verify_is_valid_for_subject_name(&name).is_ok()
    {
        return Ok(());
    }
    let names = one_line(&description.names.join(", "), 200);
    let names = if names.is_empty() { "no domain".to_owned() } else { names };
    refuse(format!("does not cover {domain}: its certificate {number} covers {names}"))
}

fn valid_at(chain: &[Certificate], now: Timestamp) -> Result<(), Problem> {
    for Certificate { number, description, .. } in chain {
        let Description { not_before, not_after, .. } = description;
        if *not_after <= now {
            return refuse(format!("has expired: its certificate {number} was valid until {not_after}"));
        }
        if *not_before > now {
            return refuse(format!("is not yet valid: its certificate {number} is valid from {not_before}"));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "pair_tests.rs"]
mod tests;
