//! Uploaded certificates: which are refused, with which reason, and which are accepted.

use super::{certified, comes_to_serve, request, served};
use crate::support::machine::{on_a_machine, run};
use crate::support::panel::Panel;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A chain of two certificates and its key, as sold by a certificate authority.
pub(crate) struct Bought {
    leaf: String,
    intermediate: String,
    pub(crate) key: String,
}

impl Bought {
    pub(crate) fn good_for(name: &str) -> Bought {
        Bought::with(name, |_| {})
    }

    /// One that ends in so many days.
    pub(crate) fn ending_in(name: &str, days: u32) -> Bought {
        let date = run(&format!("date -d '{days} days' '+%Y %m %d'"));
        let mut parts = date.split_whitespace().map(|part| part.parse::<i32>().unwrap());
        let [year, month, day] = std::array::from_fn(|_| parts.next().unwrap());
        let (month, day) = (u8::try_from(month).unwrap(), u8::try_from(day).unwrap());
        Bought::with(name, |parameters| parameters.not_after = rcgen::date_time_ymd(year, month, day))
    }

    fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Bought {
        let mut authority = CertificateParams::new([]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, format!("Bought for {name}"));
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut parameters);
        let key = KeyPair::generate().unwrap();
        let leaf = parameters.signed_by(&key, &authority).unwrap();
        Bought { leaf: leaf.pem(), intermediate: authority.pem(), key: key.serialize_pem() }
    }

    pub(crate) fn chain(&self) -> String {
        format!("{}{}", self.leaf, self.intermediate)
    }
}

pub(crate) fn upload(certificate: &str, private_key: &str) -> Value {
    json!({"domain": "alice.example", "username": "alice", "certificate": certificate, "private_key": private_key})
}

#[test]
fn invalid_uploads_are_refused_with_a_reason_and_valid_ones_accepted() {
    on_a_machine(invalid_uploads_are_refused_with_a_reason_and_valid_ones_accepted, || {
        let (_pebble, panel) = certified();
        panel.post("/ssl/issue", &request("alice.example")).ok();
        let issued = comes_to_serve("alice.example", |seen| !seen.is_empty());
        let (good, other) = (Bought::good_for("alice.example"), Bought::good_for("bob.example"));
        let expired =
            Bought::with("alice.example", |parameters| parameters.not_after = rcgen::date_time_ymd(2020, 1, 1));
        let future =
            Bought::with("alice.example", |parameters| parameters.not_before = rcgen::date_time_ymd(4000, 1, 1));
        let encrypted = run("openssl genpkey -algorithm ed25519 -aes256 -pass pass:x");
        let many: String = (0..11).map(|_| Bought::good_for("alice.example").leaf).collect();
        let crowded = Bought::with("alice.example", |parameters| {
            let names: Vec<String> = (0..100).map(|number| format!("n{number}.alice.example")).collect();
            parameters.subject_alt_names.extend(CertificateParams::new(names).unwrap().subject_alt_names);
        });
        for (certificate, key, field, words) in [
            ("nothing", good.key.as_str(), "certificate", "PEM"),
            (&good.leaf[..200], &good.key, "certificate", "PEM"),
            (&good.chain(), "nothing", "private_key", "PEM"),
            (&good.key, &good.key, "certificate", "contains a private key"),
            (&good.chain(), &good.leaf, "private_key", "contains no private key"),
            (&many, &good.key, "certificate", "more than 10"),
            (&crowded.leaf, &crowded.key, "certificate", "more than 100 names"),
            (&good.chain(), &encrypted, "private_key", "is encrypted"),
            (&good.chain(), &other.key, "private_key", "does not match"),
            (&other.chain(), &other.key, "certificate", "does not cover alice.example"),
            (&expired.chain(), &expired.key, "certificate", "has expired"),
            (&future.chain(), &future.key, "certificate", "not yet valid"),
        ] {
            let answer = panel.post("/ssl/upload", &upload(certificate, key));
            answer.refuses(422, "validation_failed");
            let message = answer.body["message"].as_str().unwrap();
            assert_eq!(answer.body["field"], field, "{message}");
            assert!(message.contains(words), "{message}");
        }
        refused_by_nginx(&panel);
        assert_eq!(served("alice.example"), issued);
        assert!(!Path::new("/var/lib/opterius/certificates/alice.example").exists());

        // As it is pasted: a byte-order mark, carriage returns, missing line breaks, text around it, the wrong order, twice,
        // and another authority's certificate between.
        let parts =
            [&good.intermediate, &other.intermediate, &good.leaf, &good.intermediate].map(String::as_str).concat();
        let pasted = format!("\u{feff}Bag Attributes: ü\r\n{}", parts.replace("-----\r\n-----", "----------"));
        let key = good.key.replace("\r\n", "\r");
        let taken = panel.post("/ssl/upload", &upload(&pasted, &key)).ok();
        let warnings = taken["warnings"].to_string();
        assert!(warnings.contains("1 of the uploaded certificates did not issue"), "{warnings}");
        let installed = panel.read("/var/lib/opterius/certificates/alice.example/fullchain.pem");
        assert_eq!(installed, good.chain().replace('\r', ""));
        run("cd /var/lib/opterius/certificates/alice.example && openssl x509 -noout -pubkey -in fullchain.pem >/run/one &&
             openssl pkey -pubout -in privkey.pem | cmp - /run/one");
        // The chain ends at an authority that this machine does not know; then at nothing.
        assert!(warnings.contains("does not lead to an authority"), "{warnings}");
        let alone = panel.post("/ssl/upload", &upload(&good.leaf, &good.key)).ok()["warnings"].to_string();
        assert!(alone.contains("issuer") && alone.contains("is missing"), "{alone}");
        assert_eq!(super::status(&panel, "alice.example")["warnings"].to_string(), alone);
        let taken = panel.post("/ssl/upload", &upload(&good.chain(), &good.key)).ok();
        assert_eq!(
            (&taken["exists"], &taken["source"], &taken["state"]),
            (&json!(true), &json!("upload"), &json!("none"))
        );
        let uploaded = comes_to_serve("alice.example", |seen| !seen.is_empty() && seen != issued);
        assert!(!Path::new("/etc/letsencrypt/live/alice.example").exists());
        let key = fs::metadata("/var/lib/opterius/certificates/alice.example/privkey.pem").unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        panel.post("/ssl/renew", &json!({"domain": "alice.example"})).refuses(409, "conflict");
        let lines = panel.agent.lines().join("\n");
        assert!(!lines.contains(good.key.lines().nth(1).unwrap()), "{lines}");

        // An issued certificate replaces it.
        assert_eq!(panel.post("/ssl/issue", &request("alice.example")).ok()["source"], "acme");
        comes_to_serve("alice.example", |seen| !seen.is_empty() && seen != uploaded);
        assert!(!Path::new("/var/lib/opterius/certificates/alice.example").exists());
    });
}

/// OpenSSL rejects certificates signed with SHA-1, which the Agent's own checks accept.
fn refused_by_nginx(panel: &Panel) {
    run("mkdir /run/old; cd /run/old && openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=Old -days 9
         openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=alice.example
         echo subjectAltName=DNS:alice.example >names
         openssl x509 -req -sha1 -in request.pem -CA ca.pem -CAkey ca.key -extfile names -days 9 -out leaf.pem");
    let [certificate, key] = ["/run/old/leaf.pem", "/run/old/key.pem"].map(|path| panel.read(path));
    let answer = panel.post("/ssl/upload", &upload(&certificate, &key));
    answer.refuses(409, "conflict");
    assert!(answer.body["message"].as_str().unwrap().contains("nginx"), "{}", answer.body);
}
