//! Checks of an uploaded certificate and key.

use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use webpki::EndEntityCert;

use crate::web::certificate::inspect::{Description, describe};
use crate::web::certificate::key;
use opterius_base::clock::Timestamp;
use opterius_base::deadline::Deadline;
use opterius_base::text::one_line;
use opterius_host::problem::Problem;
use opterius_host::request::ssl_upload::UploadCertificate;
use opterius_host::request::values::Domain;

/// Largest number of certificates in a chain.
const MAX_CERTIFICATES: usize = 10;

/// Checks that the chain and the key match, and are valid for the site at `now`.
///
/// # Errors
/// They are not; the error names the field and the reason.
pub(crate) fn check(upload: &UploadCertificate, now: Timestamp, deadline: Deadline) -> Result<(), Problem> {
    let chain = certificates(&upload.certificate)?;
    let key = private_key(upload.private_key.expose())?;
    let descriptions: Result<Vec<Description>, Problem> = (1..)
        .zip(&chain)
        .map(|(number, certificate)| match describe(certificate, deadline) {
            Err(Problem::Failed(_)) => refuse(format!("cannot be used: its certificate {number} cannot be read")),
            description => description,
        })
        .collect();
    let descriptions = descriptions?;
    covers(&chain, &descriptions, &upload.domain)?;
    belong_together(&chain, &key)?;
    in_order(&descriptions)?;
    valid_at(&descriptions, now)
}

fn refuse<T>(rule: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::invalid("certificate", rule))
}

fn refuse_key<T>(rule: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::invalid("private_key", rule))
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    if text.contains("PRIVATE KEY-----") {
        return refuse("contains a private key, which belongs in “private_key” only");
    }
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        match certificate {
            Ok(certificate) if chain.len() < MAX_CERTIFICATES => chain.push(certificate),
            Ok(_) => return refuse(format!("has more than {MAX_CERTIFICATES} certificates")),
            Err(error) => return refuse(format!("is not in PEM format: {}", in_words(&error))),
        }
    }
    if chain.is_empty() { refuse("contains no certificate") } else { Ok(chain) }
}

fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, Problem> {
    // The two formats, of RFC 7468 and RFC 1421.
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return refuse_key("is encrypted; remove its passphrase first (openssl pkey -in FILE)");
    }
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) => refuse_key("contains no private key"),
        Err(error) => refuse_key(format!("is not in PEM format: {}", in_words(&error))),
    }
}

/// Describes an error in a PEM text. The error's own message would show part of the text, which may be a key.
fn in_words(error: &PemError) -> &'static str {
    match error {
        PemError::MissingSectionEnd { .. } => "its last section has no end",
        PemError::Base64Decode(_) => "the text between its BEGIN and END lines is not Base64",
        _ => "its BEGIN and END lines are damaged",
    }
}

fn covers(chain: &[CertificateDer<'_>], descriptions: &[Description], domain: &Domain) -> Result<(), Problem> {
    let name = ServerName::try_from(domain.as_str());
    let leaf = chain.first().and_then(|leaf| EndEntityCert::try_from(leaf).ok());
    let (Some(leaf), Ok(name)) = (leaf, name) else {
        return refuse("cannot be used: its certificate 1 is not a server certificate (X.509 version 3)");
    };
    if leaf.verify_is_valid_for_subject_name(&name).is_ok() {
        return Ok(());
    }
    let names = descriptions.first().map(|leaf| one_line(&leaf.names.join(", "), 200)).unwrap_or_default();
    let names = if names.is_empty() { "no domain".to_owned() } else { names };
    refuse(format!("does not cover {domain}: its certificate 1 covers {names}"))
}

fn belong_together(chain: &[CertificateDer<'_>], key: &PrivateKeyDer<'_>) -> Result<(), Problem> {
    let Some(public) = key::subject_public_key_info(key) else {
        return refuse_key("has an unsupported type; use RSA with 2048 to 8192 bits, ECDSA P-256 or P-384, or Ed25519");
    };
    let leaf = chain.first().and_then(|leaf| EndEntityCert::try_from(leaf).ok());
    let is_its = |leaf: EndEntityCert<'_>| leaf.subject_public_key_info().as_ref() == public;
    if leaf.is_some_and(is_its) { Ok(()) } else { refuse_key("does not match the certificate") }
}

fn in_order(descriptions: &[Description]) -> Result<(), Problem> {
    for (number, pair) in (1..).zip(descriptions.windows(2)) {
        if let [certificate, next] = pair
            && certificate.issuer != next.subject
        {
            return refuse(format!("is not in order: its certificate {} did not issue the one before it", number + 1));
        }
    }
    Ok(())
}

fn valid_at(descriptions: &[Description], now: Timestamp) -> Result<(), Problem> {
    for (number, certificate) in (1..).zip(descriptions) {
        let Description { not_before, not_after, .. } = certificate;
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
