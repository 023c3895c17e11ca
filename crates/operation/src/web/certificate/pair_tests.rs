use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::*;
use opterius_base::secret::Secret;
use opterius_host::request::values::Username;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn authority(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::new([]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

/// A chain of three certificates, and the key.
struct Chain {
    leaf: String,
    intermediate: String,
    root: String,
    key: String,
}

impl Chain {
    fn new(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(authority("Root"), key()).unwrap();
        let intermediate = CertifiedIssuer::signed_by(authority("Intermediate"), key(), &root).unwrap();
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut parameters);
        let own = key();
        let leaf = parameters.signed_by(&own, &intermediate).unwrap();
        Self { leaf: leaf.pem(), intermediate: intermediate.pem(), root: root.pem(), key: own.serialize_pem() }
    }

    fn whole(&self) -> String {
        format!("{}{}", self.leaf, self.intermediate)
    }
}

fn checked(domain: &str, certificate: &str, key: &str) -> Result<Pair, Problem> {
    let upload = UploadCertificate {
        domain: Domain::parse("domain", domain).unwrap(),
        username: Username::parse("username", "alice").unwrap(),
        certificate: certificate.to_owned(),
        private_key: Secret::new(key.to_owned()),
    };
    check(&upload, NOW, Deadline::within(Duration::from_secs(60)))
}

fn refusal(domain: &str, certificate: &str, key: &str) -> String {
    match checked(domain, certificate, key) {
        Ok(_) => "none".to_owned(),
        Err(Problem::Invalid { field, rule }) => format!("{field} {rule}"),
        Err(problem) => panic!("{problem:?}"),
    }
}

#[test]
fn a_valid_pair_is_accepted() {
    let chain = Chain::new("a.example", |_| {});
    for certificate in [
        chain.leaf.clone(),
        chain.whole(),
        format!("{}{}", chain.whole(), chain.root),
        format!("A note\n{}", chain.leaf),
    ] {
        assert_eq!(refusal("a.example", &certificate, &chain.key), "none");
    }
    let wildcard = Chain::new("*.a.example", |_| {});
    assert_eq!(refusal("b.a.example", &wildcard.whole(), &wildcard.key), "none");
}

#[test]
fn a_chain_is_written_in_order_without_what_does_not_belong_to_it() {
    let (chain, other) = (Chain::new("a.example", |_| {}), Chain::new("a.example", |_| {}));
    let Chain { leaf, intermediate, root, key } = &chain;
    let (two, three) = (chain.whole(), format!("{leaf}{intermediate}{root}"));
    let table = [
        (two.clone(), &two, false),
        (format!("{intermediate}{leaf}"), &two, false),
        (format!("{root}{leaf}{intermediate}"), &three, false),
        (two.repeat(2), &two, false),
        (leaf.repeat(11), leaf, false),
        (format!("\u{feff}{}", two.replace('\n', "\r\n")), &two, false),
        (two.replace("-----\n-----", "----------"), &two, false),
        (format!("subject=CN = ü\n{two}"), &two, false),
        (format!("{}{two}", other.leaf), &two, true),
        // The other authority has the same name and another key.
        (format!("{leaf}{}{intermediate}", other.intermediate), &two, true),
        (format!("{leaf}{intermediate}{}{root}", other.root), &three, true),
        (format!("{leaf}{root}"), leaf, true),
    ];
    for (certificate, expected, warns) in table {
        let pair = checked("a.example", &certificate, key).unwrap_or_else(|problem| panic!("{}", problem.message()));
        assert_eq!(pair.fullchain.replace("\r\n", "\n"), expected.replace("\r\n", "\n"), "{certificate}");
        assert_eq!(!pair.warnings.is_empty(), warns, "{:?}", pair.warnings);
        assert_eq!(pair.key.expose(), key.replace("\r\n", "\n"));
    }
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    for pasted in [format!("{parameters}{key}"), format!("{leaf}{key}"), key.replace('\n', "\r\n"), key.repeat(2)] {
        assert_eq!(checked("a.example", &two, &pasted).unwrap().key.expose(), key.replace("\r\n", "\n"), "{pasted}");
    }
}

#[test]
fn each_refusal_gives_its_reason() {
    let (chain, other) = (Chain::new("a.example", |_| {}), Chain::new("a.example", |_| {}));
    let expired = Chain::new("a.example", |parameters| parameters.not_after = rcgen::date_time_ymd(2027, 1, 15));
    let future = Chain::new("a.example", |parameters| parameters.not_before = rcgen::date_time_ymd(2027, 1, 16));
    let wildcard = Chain::new("*.a.example", |_| {});
    let (whole, key) = (chain.whole(), chain.key.as_str());
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIB\n-----END RSA PRIVATE KEY-----\n";
    let cut = whole.split("-----END").next().unwrap();
    let many: String = (0..11).map(|_| Chain::new("a.example", |_| {}).leaf).collect();
    let names = |count: usize| (0..count).map(|number| format!("n{number}.example")).collect::<Vec<_>>();
    let crowded = |count| {
        Chain::new("a.example", |parameters| {
            parameters.subject_alt_names.extend(CertificateParams::new(names(count)).unwrap().subject_alt_names);
        })
    };
    let (fits, crowd) = (crowded(99), crowded(100));
    assert_eq!(refusal("a.example", &fits.leaf, &fits.key), "none");
    let table: [(&str, &str, &str); 20] = [
        (&whole[..100], key, "certificate is not in PEM format: its last section has no end"),
        (cut, key, "certificate is not in PEM format: its last section has no end"),
        (
            "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
            key,
            "certificate is not in PEM format: the text between",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            key,
            "certificate cannot be used: its certificate 1 cannot be read",
        ),
        ("-----BEGIN NOTHING-----\nAAAA\n-----END NOTHING-----\n", key, "certificate contains no certificate"),
        (&many, key, "certificate has more than 10 certificates"),
        (&format!("{whole}{key}"), key, "certificate contains a private key"),
        (&whole, encrypted, "private_key is encrypted"),
        (&whole, old, "private_key is encrypted"),
        (&whole, &chain.leaf, "private_key contains no private key"),
        (&whole, &key[..60], "private_key is not in PEM format: its last section has no end"),
        (
            &whole,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "private_key has an unsupported type",
        ),
        (&whole, &other.key, "private_key does not match the certificate"),
        (&crowd.leaf, &crowd.key, "certificate has more than 100 names"),
        (&chain.intermediate, key, "private_key does not match the certificate"),
        (
            &format!(
                "{whole}{}",
                whole
                    .replace("-----BEGIN CERTIFICATE-----", "-----BEGIN PKCS7-----")
                    .replace("-----END CERTIFICATE-----", "-----END PKCS7-----")
            ),
            key,
            "certificate is in PKCS #7",
        ),
        (&whole.replace("CERTIFICATE-----", "CERTIFICATE REQUEST-----"), key, "certificate is a request"),
        (
            &wildcard.whole(),
            &wildcard.key,
            "certificate does not cover a.example: its certificate 1 covers *.a.example",
        ),
        (
            &expired.whole(),
            &expired.key,
            "certificate has expired: its certificate 1 was valid until 2027-01-15T00:00:00Z",
        ),
        (
            &future.whole(),
            &future.key,
            "certificate is not yet valid: its certificate 1 is valid from 2027-01-16T00:00:00Z",
        ),
    ];
    for (certificate, key, expected) in table {
        let reason = refusal("a.example", certificate, key);
        assert!(reason.starts_with(expected), "{reason}\nis not\n{expected}");
    }
    assert!(refusal("c.b.a.example", &wildcard.whole(), &wildcard.key).contains("does not cover"));
}

#[test]
fn a_key_is_never_shown() {
    let chain = Chain::new("a.example", |_| {});
    let body = chain.key.lines().nth(1).unwrap();
    for key in [
        chain.key.replace("-----END", "!----END"),
        chain.key.replace(&body[..4], "!!!!"),
        chain.key.replace("END", "END X"),
    ] {
        let reason = refusal("a.example", &chain.leaf, &key);
        assert!(reason.starts_with("private_key ") && !reason.contains(&body[8..24]), "{reason}");
    }
}
