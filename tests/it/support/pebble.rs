//! Pebble, Let's Encrypt's ACME server for tests, and its DNS server, which resolves every name to 127.0.0.1 unless a test
//! changes that.
//!
//! Their ports are fixed, and Pebble validates on port 80, so they only run on a disposable machine.

use super::http::{Connection, PROMPTLY, Request};
use super::process::{Process, START};
use super::{TempDirectory, eventually};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

const ACME: u16 = 14000;
const MANAGEMENT: u16 = 15000;
const DNS: &str = "127.0.0.1:8053";
const DNS_MANAGEMENT: u16 = 8055;

/// A certificate authority and its DNS server.
pub struct Pebble {
    directory: TempDirectory,
    _processes: [Process; 2],
}

impl Pebble {
    /// Starts both and waits until they listen.
    pub fn start() -> Pebble {
        let directory = TempDirectory::new();
        write_certificate(&directory);
        let file = |name: &str| directory.path().join(name).display().to_string();
        let configuration = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{ACME}"),
            "managementListenAddress": format!("127.0.0.1:{MANAGEMENT}"),
            "certificate": file("certificate.pem"),
            "privateKey": file("key.pem"),
            "httpPort": 80,
            "tlsPort": 443,
        }});
        fs::write(file("pebble.json"), configuration.to_string()).unwrap();
        let mut dns = Command::new("pebble-challtestsrv");
        dns.args(["-dns01", DNS, "-management", &format!("127.0.0.1:{DNS_MANAGEMENT}"), "-defaultIPv6", ""]);
        dns.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        let mut pebble = Command::new("pebble");
        pebble.args(["-config", &file("pebble.json"), "-dnsserver", DNS]);
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        // Validate every certificate request.
        pebble.env("PEBBLE_AUTHZREUSE", "0");
        let processes = [Process::start(dns), Process::start(pebble)];
        let answers = |port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        assert!(eventually(START, || answers(ACME) && answers(DNS_MANAGEMENT)), "Pebble did not start");
        Pebble { directory, _processes: processes }
    }

    /// The value of `acme_server`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{ACME}/dir")
    }

    /// The value of `acme_ca_file`.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// Makes DNS lookups of this name fail.
    pub fn lose(&self, name: &str) {
        Pebble::manage("/set-servfail", name);
    }

    /// Makes them succeed again.
    pub fn find(&self, name: &str) {
        Pebble::manage("/clear-servfail", name);
    }

    fn manage(path: &str, name: &str) {
        let request = Request::post(path).body(json!({"host": name}).to_string());
        let mut connection = Connection::open(DNS_MANAGEMENT).unwrap();
        connection.send(request.bytes()).unwrap();
        assert_eq!(connection.receive(PROMPTLY).unwrap().status, 200);
    }
}

/// Writes Pebble's own server certificate for 127.0.0.1, from a private certificate authority.
fn write_certificate(directory: &TempDirectory) {
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "Authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let files =
        [("authority.pem", authority.pem()), ("certificate.pem", certificate.pem()), ("key.pem", key.serialize_pem())];
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
}
