//! Causes in words: every failure of TLS and HTTP that can be provoked has its step, its sentence, and doctor's remedy.

use super::*;
use crate::support::TempDirectory;
use crate::support::fake_license_server::Presented;
use crate::support::programs;
use crate::support::tcp_server::TcpServer;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What is wrong with a server, and what the Agent says about it.
struct Row {
    peer: Peer,
    cause: &'static str,
    /// In the remedy.
    remedy: &'static str,
}

/// A license server that something is wrong with.
enum Peer {
    Fake(FakeLicenseServer),
    /// Spoken to by this URL.
    At(FakeLicenseServer, String),
    Scripted(TcpServer),
    OpenSsl(OpenSsl),
}

impl Peer {
    /// A server that answers every request like this.
    fn replying(reply: Reply) -> Peer {
        let server = FakeLicenseServer::start();
        server.reply(reply);
        Peer::Fake(server)
    }

    fn sending(bytes: &[u8]) -> Peer {
        Peer::replying(Reply::granted().behavior(Behavior::Raw(bytes.to_vec())))
    }

    fn presenting(presented: Presented) -> Peer {
        Peer::Fake(FakeLicenseServer::start_presenting(presented))
    }

    fn agent(&self) -> Agent {
        let builder = Agent::builder();
        let builder = match self {
            Peer::Fake(server) => builder.license_server(server),
            Peer::At(server, url) => builder.license_server(server).set("license_server", url),
            Peer::Scripted(server) => builder.set("license_server", &format!("https://localhost:{}", server.port)),
            Peer::OpenSsl(server) => builder
                .set("license_server", &format!("https://localhost:{}", server.port))
                .set("license_ca_file", &server.ca_file),
        };
        builder.start()
    }
}

/// Checks status, log and doctor of an Agent for each row.
fn hold(rows: &[Row]) {
    at_once(rows, |Row { peer, cause, remedy }| {
        let agent = peer.agent();
        let status = agent.status_after_checks(1);
        let message = status["message"].as_str().unwrap();
        let expected = format!("The Agent could not verify the license: {cause}");
        assert!(message.starts_with(&expected), "{message}, not {expected}");
        let log = agent.lines().join("\n");
        let doctor = Command::new(programs::agent())
            .arg("--config")
            .arg(agent.config_path())
            .args(["doctor", "--json"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&doctor.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let says = |check: &&Value| check["seen"].as_str().is_some_and(|seen| seen.starts_with(cause));
        let saying: Vec<&Value> = checks.iter().filter(says).collect();
        assert_eq!(saying.len(), 1, "{cause}: {report:#}");
        assert_eq!(saying[0]["verdict"], "FAIL", "{cause}");
        let fix = saying[0]["fix"].as_str().unwrap();
        assert!(fix.contains(remedy), "{cause}: {fix}, not {remedy}");
        for text in [message, &log, saying[0]["seen"].as_str().unwrap(), fix] {
            assert_in_words(text);
        }
    });
}

/// No Debug output, no number of the operating system, no Unix timestamp.
fn assert_in_words(text: &str) {
    for foreign in ["os error", "OtherError", "Other(", "Context", "DnsName", "[6,", "rustls", "ureq", "httparse"] {
        assert!(!text.contains(foreign), "{foreign} in: {text}");
    }
    let digits = text.split(|character: char| !character.is_ascii_digit()).map(str::len).max();
    assert!(digits.is_none_or(|digits| digits < 9), "a timestamp in: {text}");
}

#[test]
fn each_broken_connection_has_its_words() {
    let fake = FakeLicenseServer::start_plain;
    hold(&[
        Row {
            peer: Peer::Scripted(TcpServer::serving(|mut client| wait(&mut client))),
            cause: "TLS with localhost: the server accepts the connection but does not answer the handshake",
            remedy: "speaks TLS",
        },
        Row {
            peer: Peer::Scripted(TcpServer::serving(|mut client| read_some(&mut client))),
            cause: "TLS with localhost: the server closed the connection during the handshake",
            remedy: "firewall or proxy on the way",
        },
        Row {
            peer: Peer::Scripted(TcpServer::serving(|mut client| {
                read_some(&mut client);
                let _ = rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO));
            })),
            cause: "TLS with localhost: the connection was reset during the handshake",
            remedy: "firewall or proxy on the way",
        },
        Row {
            peer: answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
            cause: "TLS with localhost: what answers on port",
            remedy: "fix the port in license_server",
        },
        Row {
            peer: answering(b"SSH-2.0-OpenSSH_9.2\r\n"),
            cause: "TLS with localhost: what answers on port",
            remedy: "fix the port in license_server",
        },
        Row {
            peer: {
                let server = fake();
                let url = server.url().replace("http:", "https:");
                Peer::At(server, url)
            },
            cause: "TLS with localhost: the server closed the connection during the handshake",
            remedy: "speaks TLS",
        },
        Row {
            peer: {
                let server = FakeLicenseServer::start();
                let url = server.url().replace("https:", "http:");
                Peer::At(server, url)
            },
            cause: "waiting for the answer of localhost: port",
            remedy: "https:// instead of http://",
        },
        // Alerts: protocol_version, handshake_failure, unrecognized_name, internal_error.
        Row {
            peer: answering(&[0x15, 3, 1, 0, 2, 2, 70]),
            cause: "TLS with localhost: the server offers only old versions of TLS; the Agent needs TLS 1.2 or 1.3",
            remedy: "enable TLS 1.2 or 1.3",
        },
        Row {
            peer: answering(&server_hello_of_tls_1_1()),
            cause: "TLS with localhost: the server offers only old versions of TLS; the Agent needs TLS 1.2 or 1.3",
            remedy: "enable TLS 1.2 or 1.3",
        },
        Row {
            peer: answering(&[0x15, 3, 3, 0, 2, 2, 40]),
            cause: "TLS with localhost: the server found no version, cipher or key in common with the Agent",
            remedy: "P-256",
        },
        Row {
            peer: answering(&[0x15, 3, 3, 0, 2, 2, 112]),
            cause: "TLS with localhost: the server does not know that name",
            remedy: "license_server",
        },
        Row {
            peer: answering(&[0x15, 3, 3, 0, 2, 2, 80]),
            cause: "TLS with localhost: the server rejected the handshake (TLS alert 80)",
            remedy: "log of the web server",
        },
    ]);
}

#[test]
fn each_fault_of_a_certificate_has_its_words() {
    let authority = Authority::new("Root", None, None);
    let (past, future) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2099, 1, 1));
    let intermediate = Authority::new("Intermediate", Some(&authority), None);
    let expired = Authority::new("Intermediate", Some(&authority), Some(past));
    let elsewhere = Authority::new("Elsewhere", None, None);
    let plain = |params: &mut rcgen::CertificateParams| params.is_ca = rcgen::IsCa::NoCa;
    let root = || authority.certificate.pem();
    hold(&[
        Row {
            peer: Peer::presenting(intermediate.issue(root(), &[], plain)),
            cause: "TLS with localhost: its certificate is issued by an authority that is not trusted, and the server sends \
                    no intermediate certificate",
            remedy: "fullchain.pem",
        },
        Row {
            peer: Peer::presenting(expired.issue(root(), &[&expired], plain)),
            cause: "TLS with localhost: an intermediate certificate of it expired on 2020-01-01T00:00:00Z (this server's \
                    clock: ",
            remedy: "must renew it",
        },
        Row {
            peer: Peer::presenting(authority.issue(root(), &[], |params| params.not_after = past)),
            cause: "TLS with localhost: its certificate expired on 2020-01-01T00:00:00Z (this server's clock: ",
            remedy: "timedatectl set-ntp true",
        },
        Row {
            peer: Peer::presenting(authority.issue(root(), &[], |params| params.not_before = future)),
            cause: "TLS with localhost: its certificate is not valid before 2099-01-01T00:00:00Z (this server's clock: ",
            remedy: "timedatectl set-ntp true",
        },
        Row {
            peer: Peer::presenting(authority.issue(root(), &[], |params| {
                let name = |name: &str| rcgen::SanType::DnsName(name.try_into().unwrap());
                params.subject_alt_names = vec![name("license.test"), name("*.license.test")];
            })),
            cause: "TLS with localhost: its certificate is not valid for that name, but for license.test, *.license.test",
            remedy: "license_server",
        },
        Row {
            peer: Peer::presenting(authority.issue(root(), &[], |params| params.subject_alt_names.clear())),
            cause: "TLS with localhost: its certificate is not valid for that name, but for none",
            remedy: "subjectAltName",
        },
        Row {
            peer: Peer::presenting(elsewhere.issue(root(), &[&elsewhere], plain)),
            cause: "TLS with localhost: its certificate is issued by an authority that is not trusted",
            remedy: "license_ca_file",
        },
        Row {
            peer: Peer::presenting(Authority::new("Root", None, None).issue(root(), &[], plain)),
            cause: "TLS with localhost: its certificate names an authority that this server trusts, but that authority's \
                    key did not sign it",
            remedy: "license_ca_file",
        },
        Row {
            peer: Peer::presenting(self_signed(root(), rcgen::IsCa::NoCa)),
            cause: "TLS with localhost: its certificate is self-signed, and this server does not trust it",
            remedy: "license_ca_file",
        },
        Row {
            peer: Peer::presenting(self_signed(root(), rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained))),
            cause: "TLS with localhost: its certificate is a CA certificate, which cannot be a server's own",
            remedy: "sign a certificate for the server",
        },
        Row {
            peer: Peer::presenting(authority.issue(root(), &[], |params| {
                params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            })),
            cause: "TLS with localhost: its certificate is not for servers (serverAuth)",
            remedy: "must replace it",
        },
        Row {
            peer: Peer::presenting(Presented { wants_client_certificate: true, ..authority.issue(root(), &[], plain) }),
            cause: "TLS with localhost: the server asks for a client certificate, which the Agent does not have",
            remedy: "mutual TLS",
        },
        Row {
            peer: Peer::OpenSsl(OpenSsl::start("P-521", "P-256", &[])),
            cause: "TLS with localhost: its certificate uses a key or signature that the Agent does not support",
            remedy: "P-384",
        },
        Row {
            peer: Peer::OpenSsl(OpenSsl::start("P-256", "P-521", &[])),
            cause: "TLS with localhost: the server found no version, cipher or key in common with the Agent (a P-521 \
                    certificate?)",
            remedy: "P-384",
        },
        Row {
            peer: Peer::OpenSsl(OpenSsl::start("P-256", "P-256", &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])),
            cause: "TLS with localhost: the server offers only old versions of TLS; the Agent needs TLS 1.2 or 1.3",
            remedy: "enable TLS 1.2 or 1.3",
        },
        Row {
            peer: Peer::OpenSsl(OpenSsl::start("P-256", "P-256", &["-tls1_2", "-Verify", "1"])),
            cause: "TLS with localhost: the server asks for a client certificate, which the Agent does not have",
            remedy: "mutual TLS",
        },
    ]);
}

#[test]
fn each_answer_that_is_none_has_its_words() {
    let settings = [&[0, 0, 18, 4, 0, 0, 0, 0, 0][..], &[0; 18]].concat();
    let closed = Reply::granted().behavior(Behavior::CloseAtOnce);
    let endless = [b"HTTP/1.1 200 OK\r\nX-Long: ".to_vec(), vec![b'x'; 256 * 1024]].concat();
    let cut = Reply::granted().header("Content-Length", "1000");
    let drip = Behavior::SlowBody { bytes: 1, tick: Duration::from_secs(1) };
    let waiting = |reply, cause, remedy| Row { peer: Peer::replying(reply), cause, remedy };
    hold(&[
        Row {
            peer: Peer::sending(&settings),
            cause: "waiting for the answer of localhost: the answer is HTTP/2, though the Agent speaks HTTP/1.1",
            remedy: "must serve HTTP/1.1",
        },
        Row {
            peer: Peer::sending(b"220 mail.example.com ESMTP\r\n"),
            cause: "waiting for the answer of localhost: what answers there does not speak HTTP/1.1",
            remedy: "license_server",
        },
        Row {
            peer: Peer::sending(&endless),
            cause: "waiting for the answer of localhost: the head of the answer is longer than 16 KiB",
            remedy: "curl",
        },
        Row {
            peer: Peer::sending(b"HTTP/1.1 200 OK\r\nContent-Le"),
            cause: "waiting for the answer of localhost: the connection ended before the answer was complete",
            remedy: "log of the web server",
        },
        Row {
            peer: Peer::sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"valid\": tr"),
            cause: "waiting for the answer of localhost: the connection ended before the answer was complete",
            remedy: "log of the web server",
        },
        Row {
            peer: Peer::sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
            cause: "waiting for the answer of localhost: the answer is damaged",
            remedy: "log of the web server",
        },
        waiting(
            cut,
            "waiting for the answer of localhost: the connection ended before the answer was complete",
            "log of the web server",
        ),
        waiting(
            closed,
            "waiting for the answer of localhost: the server closed the connection without an answer",
            "log of the web server",
        ),
        waiting(
            Reply::granted().behavior(Behavior::Reset),
            "waiting for the answer of localhost: the connection was reset",
            "log of the web server",
        ),
        waiting(
            Reply::granted().behavior(Behavior::Hang),
            "waiting for the answer of localhost: no answer within 10 s",
            "log of the web server",
        ),
        waiting(
            Reply::granted().behavior(drip),
            "waiting for the answer of localhost: the answer was not complete within 10 s",
            "log of the web server",
        ),
        waiting(
            Reply::raw(200, "\u{1f}\u{8b}").header("Content-Encoding", "gzip"),
            "waiting for the answer of localhost: the answer is compressed (gzip), which the Agent did not ask for",
            "switch compression off",
        ),
    ]);
}

#[test]
fn a_character_set_in_the_content_encoding_does_not_hide_a_verdict() {
    let server = FakeLicenseServer::start();
    for coding in ["utf-8", "gzip", "none"] {
        server.reply(Reply::granted().header("Content-Encoding", coding));
        assert_active(&Agent::builder().license_server(&server).start().status_after_checks(1));
    }
}

#[test]
fn compression_is_not_asked_for_and_chunks_are_read() {
    let server = FakeLicenseServer::start();
    let body = String::from_utf8(Reply::granted().body).unwrap();
    let (first, second) = body.split_at(10);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    server.reply(Reply::granted().behavior(Behavior::Raw(chunked.into_bytes())));
    let agent = Agent::builder().license_server(&server).start();
    assert_active(&agent.status_after_checks(1));
    let received = server.received();
    assert_eq!(received[0].header("Accept-Encoding"), Some("identity"));
    assert_eq!(received[0].header("Host"), Some(format!("localhost:{}", server.port()).as_str()));
}

// --------------------------------------------------------------------------------------------------------------------
// Servers that something is wrong with.

/// A server that sends these bytes after the client's first ones.
fn answering(bytes: &[u8]) -> Peer {
    let bytes = bytes.to_vec();
    Peer::Scripted(TcpServer::serving(move |mut client| {
        read_some(&mut client);
        let _ = client.write_all(&bytes);
        let _ = client.shutdown(Shutdown::Write);
        wait(&mut client);
    }))
}

/// Reads the first message of TLS, which comes in one piece.
fn read_some(client: &mut TcpStream) {
    let _ = client.read(&mut [0; 16 * 1024]);
}

/// Waits until the client closes the connection.
fn wait(client: &mut TcpStream) {
    let _ = io::copy(client, &mut io::sink());
}

/// A ServerHello (RFC 4346 §7.4.1.3) of TLS 1.1 with TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA.
fn server_hello_of_tls_1_1() -> Vec<u8> {
    let hello = [&[3, 2][..], &[7; 32], &[0, 0xc0, 0x13, 0]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    [&[0x16, 3, 2, 0, length + 4, 2, 0, 0, length][..], &hello].concat()
}

/// A certificate authority.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    /// Signed by itself, or by `parent`; valid until `end`.
    fn new(name: &str, parent: Option<&Authority>, end: Option<OffsetDateTime>) -> Authority {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.not_after = end.unwrap_or(params.not_after);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = match parent {
            Some(parent) => params.signed_by(&key, &parent.issuer),
            None => params.self_signed(&key),
        };
        Authority { certificate: certificate.unwrap(), issuer: rcgen::Issuer::new(params, key) }
    }

    /// A certificate for localhost, changed by `change`, with these other ones after it. Clients trust `ca_pem`.
    fn issue(
        &self,
        ca_pem: String,
        others: &[&Authority],
        change: impl FnOnce(&mut rcgen::CertificateParams),
    ) -> Presented {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut params);
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let others = others.iter().map(|authority| authority.certificate.der().clone());
        let chain = [leaf.der().clone()].into_iter().chain(others).collect();
        Presented { ca_pem, chain, key: key.serialize_der(), wants_client_certificate: false }
    }
}

fn self_signed(ca_pem: String, is_ca: rcgen::IsCa) -> Presented {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = is_ca;
    let chain = vec![params.self_signed(&key).unwrap().der().clone()];
    Presented { ca_pem, chain, key: key.serialize_der(), wants_client_certificate: false }
}

/// `openssl s_server`, for what rustls cannot serve.
struct OpenSsl {
    process: Child,
    port: u16,
    ca_file: String,
    _directory: TempDirectory,
}

impl OpenSsl {
    /// With keys on these curves, the authority's and the server's, and these further options.
    fn start(authority: &str, server: &str, options: &[&str]) -> OpenSsl {
        let directory = TempDirectory::new();
        let digest = if authority == "P-521" { "-sha512" } else { "-sha256" };
        let script = format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:{authority} {digest} -nodes -days 9 -subj /CN=Root \
             -keyout ca.key -out ca.pem && openssl req -newkey ec -pkeyopt ec_paramgen_curve:{server} -nodes \
             -subj /CN=Server -keyout key -out csr && printf 'subjectAltName=DNS:localhost' >ext && openssl x509 -req -in \
             csr -CA ca.pem -CAkey ca.key -CAcreateserial {digest} -days 9 -extfile ext -out pem"
        );
        let output = Command::new("sh").args(["-c", &script]).current_dir(directory.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let port = crate::support::fake_license_server::reserve().local_addr().unwrap().port();
        let mut command = Command::new("openssl");
        command.args(["s_server", "-quiet", "-accept", &format!("127.0.0.1:{port}"), "-cert", "pem", "-key", "key"]);
        command.args(options).current_dir(directory.path()).stdin(Stdio::piped());
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = OpenSsl { process, port, ca_file: path(&directory.path().join("ca.pem")), _directory: directory };
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        assert!(eventually(PATIENCE, listens), "openssl s_server does not listen");
        server
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
