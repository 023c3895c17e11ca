//! Which certificate and key may be uploaded for a site.

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

/// The most certificates of a chain.
const MOST: usize = 10;

/// Checks that chain and key belong together, and can serve the site at `now`.
///
/// # Errors
/// They cannot; the field and what is wrong with it are named.
pub(crate) fn check(upload: &UploadCertificate, now: Timestamp, deadline: Deadline) -> Result<(), Problem> {
    let chain = certificates(&upload.certificate)?;
    let key = private_key(upload.private_key.expose())?;
    let descriptions: Result<Vec<Description>, Problem> = (1..)
        .zip(&chain)
        .map(|(number, certificate)| match describe(certificate, deadline) {
            Err(Problem::Failed(_)) => refuse(format!("cannot be used: certificate {number} in it cannot be read")),
            description => description,
        })
        .collect();
    let descriptions = descriptions?;
    covers(&chain, &descriptions, &upload.domain)?;
    belong_together(&chain, &key)?;
    in_order(&descriptions)?;
    good_at(&descriptions, now)
}

fn refuse<T>(rule: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::invalid("certificate", rule))
}

fn refuse_key<T>(rule: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::invalid("private_key", rule))
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    if text.contains("PRIVATE KEY-----") {
        return refuse("has a private key in it; that belongs in “private_key” alone");
    }
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        match certificate {
            Ok(certificate) if chain.len() < MOST => chain.push(certificate),
            Ok(_) => return refuse(format!("has more than {MOST} certificates")),
            Err(error) => return refuse(format!("is not in PEM form: {}", in_words(&error))),
        }
    }
    if chain.is_empty() { refuse("has no certificate in it") } else { Ok(chain) }
}

fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, Problem> {
    // The two forms of RFC 7468 and of RFC 1421.
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return refuse_key("is encrypted; take its passphrase away first (openssl pkey -in FILE)");
    }
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) => refuse_key("has no private key in it"),
        Err(error) => refuse_key(format!("is not in PEM form: {}", in_words(&error))),
    }
}

/// What is wrong with a text in PEM form. The error itself would show a part of the text, and that may be a key.
fn in_words(error: &PemError) -> &'static str {
    match error {
        PemError::MissingSectionEnd { .. } => "its last part has no end",
        PemError::Base64Decode(_) => "what is between its lines of hyphens is not Base64",
        _ => "its lines of hyphens are damaged",
    }
}

fn covers(chain: &[CertificateDer<'_>], descriptions: &[Description], domain: &Domain) -> Result<(), Problem> {
    let name = ServerName::try_from(domain.as_str());
    let leaf = chain.first().and_then(|leaf| EndEntityCert::try_from(leaf).ok());
    let (Some(leaf), Ok(name)) = (leaf, name) else {
        return refuse("cannot be used: certificate 1 in it is not one of a server (X.509 version 3)");
    };
    if leaf.verify_is_valid_for_subject_name(&name).is_ok() {
        return Ok(());
    }
    let names = descriptions.first().map(|leaf| one_line(&leaf.names.join(", "), 200)).unwrap_or_default();
    let names = if names.is_empty() { "no domain".to_owned() } else { names };
    refuse(format!("does not cover {domain}: certificate 1 in it is good for {names}"))
}

fn belong_together(chain: &[CertificateDer<'_>], key: &PrivateKeyDer<'_>) -> Result<(), Problem> {
    let Some(public) = key::subject_public_key_info(key) else {
        return refuse_key(
            "is of no kind that can be used: RSA of 2048 to 8192 bits, ECDSA P-256 or P-384, or Ed25519",
        );
    };
    let leaf = chain.first().and_then(|leaf| EndEntityCert::try_from(leaf).ok());
    let is_its = |leaf: EndEntityCert<'_>| leaf.subject_public_key_info().as_ref() == public;
    if leaf.is_some_and(is_its) { Ok(()) } else { refuse_key("does not belong to the certificate") }
}

fn in_order(descriptions: &[Description]) -> Result<(), Problem> {
    for (number, pair) in (1..).zip(descriptions.windows(2)) {
        if let [certificate, next] = pair
            && certificate.issuer != next.subject
        {
            return refuse(format!(
                "is not in order: certificate {} in it is not the one that has issued the one before it",
                number + 1
            ));
        }
    }
    Ok(())
}

fn good_at(descriptions: &[Description], now: Timestamp) -> Result<(), Problem> {
    for (number, certificate) in (1..).zip(descriptions) {
        let Description { not_before, not_after, .. } = certificate;
        if *not_after <= now {
            return refuse(format!("has expired: certificate {number} in it was good until {not_after}"));
        }
        if *not_before > now {
            return refuse(format!("is not yet valid: certificate {number} in it is good from {not_before} on"));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "pair_tests.rs"]
mod tests;
