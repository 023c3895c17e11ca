use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

fn block(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn certificate() -> Vec<u8> {
    rcgen::generate_simple_self_signed([]).unwrap().cert.der().to_vec()
}

#[test]
fn a_file_with_a_usable_certificate_is_read() {
    let [first, second] = &[certificate(), certificate()];
    let pem = block("CERTIFICATE", first);
    let damaged = block("CERTIFICATE", b"nonsense");
    let table = [
        (pem.clone(), 1),
        (format!("\u{feff}{pem}"), 1),
        (pem.replace('\n', "\r\n"), 1),
        (format!("# a comment\n\n{pem}"), 1),
        (format!("{}{pem}", block("PRIVATE KEY", b"key")), 1),
        (format!("{pem}{}", block("CERTIFICATE", second)), 2),
        (format!("{damaged}{pem}"), 2),
    ];
    for (text, count) in table {
        assert_eq!(read(text.as_bytes(), "ca").unwrap().len(), count, "{text}");
    }
}

/// A certificate that an authority issued, and the authority's.
fn issued(is_authority: rcgen::IsCa) -> [Vec<u8>; 2] {
    let (key, leaf_key) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let named = |name: &str| {
        let mut parameters = rcgen::CertificateParams::new([]).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        parameters
    };
    let mut parameters = named("authority");
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&key).unwrap();
    let mut parameters = named("leaf");
    parameters.is_ca = is_authority;
    let leaf = parameters.signed_by(&leaf_key, &rcgen::Issuer::from_params(&named("authority"), &key)).unwrap();
    [leaf.der().to_vec(), authority.der().to_vec()]
}

#[test]
fn an_authoritys_certificate_is_needed() {
    let constrained = || rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    for (is_ca, leaf_alone) in [
        (rcgen::IsCa::ExplicitNoCa, false),
        (rcgen::IsCa::NoCa, true),
        (constrained(), true),
        (rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained), true),
    ] {
        let [leaf, authority] = issued(is_ca).map(|der| block("CERTIFICATE", &der));
        let result = read(leaf.as_bytes(), "ca");
        assert_eq!(result.is_ok(), leaf_alone);
        assert!(result.err().is_none_or(|fault| fault.contains("only certificates of servers (CA:FALSE)")));
        assert_eq!(read(format!("{leaf}{authority}").as_bytes(), "ca").unwrap().len(), 2);
    }
    // One that signed itself is trusted for itself.
    let mut parameters = rcgen::CertificateParams::new([]).unwrap();
    parameters.is_ca = rcgen::IsCa::ExplicitNoCa;
    let own = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    assert!(read(block("CERTIFICATE", own.der()).as_bytes(), "ca").is_ok());
}

#[test]
fn a_file_without_a_usable_certificate_is_named_for_what_it_is() {
    let certificate = &certificate();
    let pem = block("CERTIFICATE", certificate);
    let request = "has a certificate request and no certificate";
    let key = "has a private key and no certificate";
    let table: [(Vec<u8>, &str); 18] = [
        (Vec::new(), "is empty"),
        (b"\xef\xbb\xbf \r\n".to_vec(), "is empty"),
        (
            certificate.to_vec(),
            "is a certificate in DER form, not in PEM form; convert it: openssl x509 -inform DER -in ca -out ca.pem",
        ),
        (certificate[..certificate.len() - 1].to_vec(), "contains no PEM certificate (-----BEGIN CERTIFICATE-----)"),
        (block("PRIVATE KEY", b"key").into(), key),
        (block("RSA PRIVATE KEY", b"key").into(), key),
        (block("EC PRIVATE KEY", b"key").into(), key),
        (block("CERTIFICATE REQUEST", b"request").into(), request),
        (block("NEW CERTIFICATE REQUEST", b"request").into(), request),
        (block("PKCS7", b"container").into(), "convert it: openssl pkcs7 -print_certs -in ca -out ca.pem"),
        (block("TRUSTED CERTIFICATE", certificate).into(), "convert it: openssl x509 -in ca -out ca.pem"),
        (block("PUBLIC KEY", b"key").into(), "contains no PEM certificate"),
        (b"see https://example.com/ca.pem".to_vec(), "contains no PEM certificate"),
        (block("CERTIFICATE", b"").into(), "it is not a certificate"),
        (block("CERTIFICATE", b"nonsense").into(), "it is not a certificate"),
        (pem.replace("MII", "!!!").into(), "it is not Base64"),
        (pem.replace("-----END CERTIFICATE-----\n", "").into(), "ends in the middle of a certificate"),
        (pem.replace("-----BEGIN", "  -----BEGIN").into(), "must begin its line"),
    ];
    for (bytes, expected) in table {
        let fault = read(&bytes, "ca").unwrap_err();
        assert!(fault.contains(expected), "{expected}: {fault}");
    }
}
