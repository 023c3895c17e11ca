//! TLS.

use super::*;

#[test]
fn a_certificate_of_an_unknown_authority_is_rejected_with_the_reason() {
    let server = FakeLicenseServer::start();
    let agent = Agent::builder().license_server(&server).unset("license_ca_file").start();
    assert_unverified(&agent, &["TLS with localhost: its certificate is issued by an authority that is not trusted"]);
    assert_eq!(server.count(), 0, "the key was sent to an untrusted server");
}

#[test]
fn a_certificate_for_another_name_is_rejected_with_the_reason() {
    let server = FakeLicenseServer::start_as("license.example.com");
    let agent = Agent::builder().license_server(&server).start();
    assert_unverified(
        &agent,
        &["TLS with localhost: ", "not valid for that name, but for license.example.com, 127.0.0.1"],
    );
    assert_eq!(server.count(), 0, "the key was sent to an untrusted server");
}

#[test]
fn a_server_without_tls_receives_no_key() {
    let server = FakeLicenseServer::start_plain();
    let url = server.url().replace("http:", "https:");
    let agent = Agent::builder().set("license_server", &url).start();
    assert_unverified(&agent, &["TLS with localhost: the server closed the connection during the handshake"]);
    assert_eq!(server.count(), 0, "the key was sent in the clear");

    // Most servers answer a TLS ClientHello on a plain port with plain HTTP.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let agent = Agent::builder().set("license_server", &url).start();
    let (mut client, _) = listener.accept().unwrap();
    client.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_unverified(&agent, &["TLS with localhost: what answers on port", "does not speak TLS"]);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut greeting = Vec::new();
    let _ = client.read_to_end(&mut greeting);
    let is_leaked = greeting.windows(LICENSE_KEY.len()).any(|window| window == LICENSE_KEY.as_bytes());
    assert!(!is_leaked, "the key was sent in the clear");
}

#[test]
fn plain_http_is_allowed_to_this_machine_only() {
    let agent = Agent::builder().set("license_server", "http://license.example.com").spawn();
    assert_eq!(agent.wait_exit(PATIENCE).code(), Some(78));
    let lines = agent.lines().join("\n");
    assert!(lines.contains("license_server must begin with https://"), "{lines}");

    let server = FakeLicenseServer::start_plain();
    let agent = Agent::builder().license_server(&server).start();
    assert_eq!(agent.status_after_checks(1)["valid"], true);
}

#[test]
fn a_license_server_url_can_have_an_address_and_a_path() {
    let server = FakeLicenseServer::start();
    let url = format!("https://127.0.0.1:{}/base/", server.port());
    let agent = Agent::builder().license_server(&server).set("license_server", &url).start();
    assert_active(&agent.status_after_checks(1));
    assert_eq!(server.received()[0].path, "/base/api/license/verify");
}
