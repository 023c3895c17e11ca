//! Derives the public key of a private key, for the key types that nginx and browsers support.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use rustls_pki_types::{AlgorithmIdentifier, PrivateKeyDer, alg_id};

/// ASN.1 tags.
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// INTEGER 0, the version of a PKCS #8 document.
const VERSION: &[u8] = &[0x02, 0x01, 0x00];

/// The supported curves and their identifiers.
const CURVES: [(&EcdsaSigningAlgorithm, AlgorithmIdentifier); 2] =
    [(&ECDSA_P256_SHA256_ASN1_SIGNING, alg_id::ECDSA_P256), (&ECDSA_P384_SHA384_ASN1_SIGNING, alg_id::ECDSA_P384)];

/// The SubjectPublicKeyInfo (RFC 5280 §4.1) of a private key; none if its type is not supported. Supported are RSA with
/// 2048 to 8192 bits, ECDSA P-256 and P-384, and Ed25519.
pub(crate) fn subject_public_key_info(key: &PrivateKeyDer<'_>) -> Option<Vec<u8>> {
    let (identifier, public) = match key {
        PrivateKeyDer::Pkcs1(key) => rsa(RsaKeyPair::from_der(key.secret_pkcs1_der()).ok()?),
        PrivateKeyDer::Sec1(key) => CURVES.iter().find_map(|curve| sec1(key.secret_sec1_der(), curve))?,
        PrivateKeyDer::Pkcs8(key) => pkcs8(key.secret_pkcs8_der())?,
        _ => return None,
    };
    let public = [&[0], public.as_slice()].concat();
    Some(der(SEQUENCE, &[&der(SEQUENCE, &[&identifier]), &der(BIT_STRING, &[&public])]))
}

/// A public key and its algorithm.
type Public = (AlgorithmIdentifier, Vec<u8>);

fn rsa(pair: RsaKeyPair) -> Public {
    (alg_id::RSA_ENCRYPTION, pair.public_key().as_ref().to_vec())
}

fn pkcs8(document: &[u8]) -> Option<Public> {
    if let Ok(pair) = RsaKeyPair::from_pkcs8(document) {
        return Some(rsa(pair));
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(document) {
        return Some((alg_id::ED25519, pair.public_key().as_ref().to_vec()));
    }
    CURVES.iter().find_map(|curve| ecdsa(document, curve))
}

fn ecdsa(
    document: &[u8],
    (algorithm, identifier): &(&'static EcdsaSigningAlgorithm, AlgorithmIdentifier),
) -> Option<Public> {
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document, &SystemRandom::new()).ok()?;
    Some((*identifier, pair.public_key().as_ref().to_vec()))
}

/// RFC 5915 documents do not always name the curve, so each curve is tried.
fn sec1(document: &[u8], curve: &(&'static EcdsaSigningAlgorithm, AlgorithmIdentifier)) -> Option<Public> {
    let parts = [VERSION, &der(SEQUENCE, &[&curve.1]), &der(OCTET_STRING, &[document])];
    ecdsa(&der(SEQUENCE, &parts), curve)
}

/// One DER value: tag, length, content. The length of a key fits in two bytes.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = match length {
        [0, low] if low < 0x80 => vec![tag, low],
        [0, low] => vec![tag, 0x81, low],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [head, content].concat()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use rustls_pki_types::pem::PemObject;

    use super::*;

    fn openssl(arguments: &[&str], input: Vec<u8>) -> Vec<u8> {
        let mut child = Command::new("openssl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &input).unwrap();
        child.wait_with_output().unwrap().stdout
    }

    /// For both formats of a key: PKCS #8, and the older format of its type.
    #[test]
    fn the_public_key_is_the_same_as_openssls() {
        let table: [(&[&str], bool); 8] = [
            (&["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], true),
            (&["RSA", "-pkeyopt", "rsa_keygen_bits:3072"], true),
            (&["RSA", "-pkeyopt", "rsa_keygen_bits:1024"], false),
            (&["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], true),
            (&["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], true),
            (&["EC", "-pkeyopt", "ec_paramgen_curve:P-521"], false),
            (&["ED25519"], true),
            (&["ED448"], false),
        ];
        for (kind, usable) in table {
            let key = openssl(&[&["genpkey", "-algorithm"], kind].concat(), Vec::new());
            let public = openssl(&["pkey", "-pubout", "-outform", "DER"], key.clone());
            // Edwards curves have no older format.
            let older = openssl(&["pkey", "-traditional"], key.clone());
            for written in [key, older].iter().filter(|written| !written.is_empty()) {
                let key = PrivateKeyDer::from_pem_slice(written).unwrap();
                let found = subject_public_key_info(&key);
                assert_eq!(found, usable.then(|| public.clone()), "{kind:?}");
            }
        }
    }
}
