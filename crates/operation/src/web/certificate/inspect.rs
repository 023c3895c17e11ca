//! Reading certificates, with `openssl`.

use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use opterius_base::clock::Timestamp;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;
use opterius_host::tool::Tool;

/// The relevant fields of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The subject, as a distinguished name (RFC 2253).
    pub subject: String,
    /// The issuer, as a distinguished name.
    pub issuer: String,
    /// Start of its validity.
    pub not_before: Timestamp,
    /// End of its validity.
    pub not_after: Timestamp,
    /// The DNS names that it covers.
    pub names: Vec<String>,
    /// How many DNS names it has, including those that cannot be names of sites.
    pub name_count: usize,
}

/// Reads the first certificate of a file in PEM format.
///
/// # Errors
/// The file has no certificate, or it cannot be read.
pub fn inspect(path: &Path, deadline: Deadline) -> Result<Description, Problem> {
    let certificate = CertificateDer::from_pem_file(path);
    let certificate = certificate.map_err(|error| Problem::failed(&path.display().to_string(), error))?;
    describe(&certificate, deadline)
}

/// Reads a certificate.
///
/// # Errors
/// The certificate is invalid, or openssl is not installed.
pub fn describe(certificate: &CertificateDer<'_>, deadline: Deadline) -> Result<Description, Problem> {
    let options = ["x509", "-inform", "DER", "-noout", "-subject", "-issuer", "-startdate", "-enddate"];
    // Names in one line of UTF-8, with line breaks escaped; the extension comes last.
    let form = ["-dateopt", "iso_8601", "-nameopt", "RFC2253,utf8,-esc_msb", "-ext", "subjectAltName"];
    let tool = Tool::named("openssl")?.args(options).args(form).input(certificate.as_ref());
    let output = tool.succeed(deadline)?;
    parse(&output.stdout).ok_or_else(|| Problem::failed("openssl", "its output for the certificate is not understood"))
}

/// Parses the output of `openssl x509`.
fn parse(text: &str) -> Option<Description> {
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let date = |name| Timestamp::parse_rfc3339(&value(name)?.trim().replacen(' ', "T", 1));
    let alternatives = text.lines().skip_while(|line| !line.contains("Subject Alternative Name")).nth(1);
    let entries = alternatives.unwrap_or_default().split(", ").filter_map(|entry| entry.trim().strip_prefix("DNS:"));
    let is_name = |name: &&str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'*'))
    };
    Some(Description {
        subject: value("subject")?.trim().to_owned(),
        issuer: value("issuer")?.trim().to_owned(),
        not_before: date("notBefore")?,
        not_after: date("notAfter")?,
        name_count: entries.clone().count(),
        names: entries.filter(is_name).map(str::to_ascii_lowercase).filter(|name| !name.is_empty()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const DATES: &str = "notBefore=2026-11-25 13:30:10Z\nnotAfter=2031-11-25 13:30:09Z\n";

    #[test]
    fn the_output_of_openssl_is_parsed() {
        let named = |end: &str| {
            let text = format!("subject=CN=a.example.com\nissuer=CN=R11,O=Let's Encrypt,C=US\n{DATES}{end}");
            parse(&text).unwrap().names.join(" ")
        };
        let table = [
            (
                "X509v3 Subject Alternative Name: \n    DNS:a.example.com, DNS:*.Example.com, IP Address:192.0.2.1\n",
                "a.example.com *.example.com",
            ),
            ("X509v3 Subject Alternative Name: critical\n    DNS:a.example.com\n", "a.example.com"),
            ("X509v3 Subject Alternative Name: \n    DNS:a b, DNS:\u{fc}.example, email:a@example.com\n", ""),
            ("No extensions in certificate\n", ""),
            ("", ""),
        ];
        for (end, expected) in table {
            assert_eq!(named(end), expected, "{end}");
        }
        let whole = parse(&format!("subject=\nissuer=CN=R11,O=Let's Encrypt,C=US\n{DATES}")).unwrap();
        assert_eq!((whole.subject.as_str(), whole.issuer.as_str()), ("", "CN=R11,O=Let's Encrypt,C=US"));
        assert_eq!(whole.not_after.to_string(), "2031-11-25T13:30:09Z");
        for text in ["", "subject=a\nissuer=b\n", "subject=a\nissuer=b\nnotBefore=x\nnotAfter=y\n"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_real_certificate_is_described() {
        let mut parameters = rcgen::CertificateParams::new(["a.example.com".to_owned()]).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::OrganizationName, "Ü, line\nnotAfter=1970-01-01 00:00:00Z");
        parameters.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let certificate = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let description = describe(certificate.der(), Deadline::within(Duration::from_secs(20))).unwrap();
        assert_eq!(
            (description.names.as_slice(), description.not_after.to_string().as_str()),
            (&["a.example.com".to_owned()][..], "2031-02-03T00:00:00Z")
        );
        assert!(description.subject.contains('Ü') && description.subject == description.issuer, "{description:?}");
        let broken = CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]);
        assert!(describe(&broken, Deadline::within(Duration::from_secs(20))).is_err());
    }
}
