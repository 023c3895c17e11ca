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
