//! Proxies.

use super::*;
use crate::support::programs;
use crate::support::tcp_server::TcpServer;
use std::process::Command;

#[test]
fn a_configured_proxy_is_used() {
    let server = FakeLicenseServer::start();
    let proxy = Proxy::to(server.port());
    let agent = Agent::builder().license_server(&server).set("proxy", &proxy.url()).start();
    assert_eq!(agent.status_after_checks(1)["valid"], true);
    assert_eq!(proxy.received(), [format!("CONNECT localhost:{} HTTP/1.1", server.port())]);
}

#[test]
fn the_environments_proxy_is_used_except_for_this_machine() {
    let server = FakeLicenseServer::start();
    let proxy = Proxy::to(server.port());
    let agent = Agent::builder().license_server(&server).environment("HTTPS_PROXY", &proxy.url()).start();
    assert_eq!(agent.status_after_checks(1)["valid"], true);
    assert!(proxy.received().is_empty(), "{:?}", proxy.received());

    let server = FakeLicenseServer::start_as("license.example.com");
    let proxy = Proxy::to(server.port());
    let builder = Agent::builder().license_server(&server).set("license_server", "https://license.example.com");
    let agent = builder.environment("HTTPS_PROXY", &proxy.url()).start();
    let status = agent.status_after_checks(1);
    assert_eq!(status["valid"], true, "{status}");
    assert_eq!(proxy.received(), ["CONNECT license.example.com:443 HTTP/1.1"]);
}

#[test]
fn the_public_address_is_discovered_once_and_stored_with_the_license() {
    let discovery = FakeLicenseServer::start_plain();
    discovery.reply(Reply::raw(200, "93.184.216.34\n"));
    let server = FakeLicenseServer::start_as("license.example.com");
    let proxy = Proxy::to(server.port());
    let builder = Agent::builder().license_server(&server).set("license_server", "https://license.example.com");
    let mut agent = builder.set("proxy", &proxy.url()).set("ip_discovery_url", &discovery.url()).start();
    assert_eq!(agent.status_after_checks(1)["valid"], true);
    agent.restart();
    agent.status_after_checks(1);
    let actual: Vec<String> = server.received().iter().map(|received| text(received, "server_ip")).collect();
    assert_eq!(actual.len(), 2);
    // A machine with a public address of its own reports that.
    let received = discovery.count();
    assert!(received <= 1, "discovered {received} times within a day");
    assert_eq!(actual[0], actual[1]);
    assert_eq!(actual[0] == "93.184.216.34", received == 1, "{actual:?}");
}

/// The names of the tests' license servers are known to proxies only.
const REMOTE: &str = "https://license.example.com";

#[test]
fn each_failure_of_a_proxy_names_the_proxy() {
    type Row = (&'static str, &'static str, &'static str);
    let table: [Row; 8] = [
        ("HTTP/1.1 407 Who?\r\n\r\n", "it wants another user and password (HTTP 407)", "USER:PASSWORD@127.0.0.1"),
        ("HTTP/1.1 407 Who?\r\nProxy-Authenticate: NTLM\r\n\r\n", "(only Basic) (HTTP 407)", "USER:PASSWORD"),
        (
            "HTTP/1.1 403 No\r\n\r\n",
            "it forbids the connection to the license server (HTTP 403)",
            "allow CONNECT to license.example.com:443",
        ),
        (
            "HTTP/1.1 503 No\r\n\r\n",
            "it cannot reach the license server (HTTP 503)",
            "must reach license.example.com:443",
        ),
        ("HTTP/1.1 405 No\r\n\r\n", "it does not open connections (CONNECT) (HTTP 405)", "not a web server"),
        ("220 mail.example.com ESMTP\r\n\r\n", "its answer breaks off, or is not HTTP/1.1", "HTTP proxy"),
        ("\u{15}\u{3}\u{1}\r\n\r\n", "it speaks TLS", "https://"),
        ("", "it closed the connection without an answer", "HTTP proxy"),
    ];
    at_once(&table, |(answer, sentence, remedy)| {
        let proxy = Proxy::refusing(answer);
        let url = proxy.url().replace("http://", "http://alice:open-sesame@");
        let agent = Agent::builder().set("license_server", REMOTE).set("proxy", &url).start();
        let hop = format!("connecting through the proxy 127.0.0.1 port {}: ", proxy.server.port);
        assert_unverified(&agent, &[&hop, sentence]);
        let report = diagnosis(&agent);
        let check = check(&report, "connection");
        assert_eq!(check["verdict"], "FAIL");
        assert!(check["seen"].as_str().unwrap().contains(sentence), "{check}");
        assert!(check["fix"].as_str().unwrap().contains(remedy), "{check}");
        let shown = agent.status().to_string() + &agent.lines().join("\n") + &report.to_string();
        assert!(!shown.contains("open-sesame") && !shown.contains("alice"), "{shown}");
    });
}

#[test]
fn a_silent_proxy_is_named() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let proxy = format!("http://127.0.0.1:{port}");
    let agent = Agent::builder().set("license_server", REMOTE).set("proxy", &proxy).start();
    let hop =
        format!("connecting through the proxy 127.0.0.1 port {port}: it accepts the connection but does not answer");
    assert_unverified(&agent, &[&hop]);
}

#[test]
fn a_proxy_gets_the_decoded_user_and_password() {
    let server = FakeLicenseServer::start_as("license.example.com");
    let proxy = Proxy::to(server.port());
    let url = proxy.url().replace("http://", "http://al%40ice:open%23sesame@");
    let agent = Agent::builder().license_server(&server).set("license_server", REMOTE).set("proxy", &url).start();
    assert_active(&agent.status_after_checks(1));
    let expected = format!("Proxy-Authorization: Basic {}", BASE64.encode("al@ice:open#sesame"));
    let heads = proxy.heads.lock().unwrap().join("\n");
    assert!(heads.contains(&expected), "{heads}");
}

#[test]
fn the_environment_is_read_as_by_curl() {
    let server = FakeLicenseServer::start_as("license.example.com");
    let good = Proxy::to(server.port());
    let (good, socks) = (good.url(), "socks5h://127.0.0.1:1".to_owned());
    let dead = "http://127.0.0.1:1".to_owned();
    // Without a proxy, the name does not exist.
    let direct = "resolving license.example.com: ";
    type Row<'a> = (&'a [(&'a str, &'a String)], &'a str, &'a str);
    let rows: [Row<'_>; 8] = [
        (&[("HTTPS_PROXY", &good), ("ALL_PROXY", &dead)], "", ""),
        (&[("HTTPS_PROXY", &good), ("ALL_PROXY", &socks)], "", ""),
        (&[("https_proxy", &good), ("HTTPS_PROXY", &dead)], "", ""),
        (&[("ALL_PROXY", &good)], "license.example.com:8443, .example.org", ""),
        (&[("HTTPS_PROXY", &good)], "localhost, license.example.com", direct),
        (&[("HTTPS_PROXY", &good)], ".example.com", direct),
        (&[("HTTPS_PROXY", &good)], "license.example.com:443", direct),
        (
            &[("ALL_PROXY", &socks)],
            "",
            "choosing the proxy: ALL_PROXY in the Agent's environment is a SOCKS proxy, which the Agent does not support",
        ),
    ];
    at_once(&rows, |(variables, exceptions, cause)| {
        let builder = Agent::builder().license_server(&server).set("license_server", REMOTE);
        let builder = builder.after_mounting(
            "echo 'nameserver 127.0.0.9' >$DIRECTORY/resolv.conf; mount --bind $DIRECTORY/resolv.conf /etc/resolv.conf",
        );
        let builder = variables.iter().fold(builder, |builder, (name, value)| builder.environment(name, value));
        let agent = builder.environment("NO_PROXY", exceptions).start();
        let status = agent.status_after_checks(1);
        if cause.is_empty() {
            assert_eq!(status["valid"], true, "{variables:?} except {exceptions}: {status}");
        } else {
            assert!(status["message"].as_str().unwrap().contains(cause), "{variables:?} except {exceptions}: {status}");
        }
    });
}

#[test]
fn an_unusable_proxy_of_the_environment_is_named_without_its_password() {
    let url = "http://alice:open#sesame@127.0.0.1:3128".to_owned();
    let agent = Agent::builder().set("license_server", REMOTE).environment("HTTPS_PROXY", &url).start();
    assert_unverified(
        &agent,
        &["choosing the proxy: HTTPS_PROXY in the Agent's environment has “#” where it cannot be", "as %23"],
    );
    let report = diagnosis(&agent);
    assert_eq!(check(&report, "name")["verdict"], "FAIL");
    let shown = agent.status().to_string() + &agent.lines().join("\n") + &report.to_string();
    assert!(!shown.contains("sesame") && !shown.contains("alice"), "{shown}");
}

#[test]
fn doctor_uses_the_proxy_of_the_daemons_environment() {
    let server = FakeLicenseServer::start_as("license.example.com");
    let proxy = Proxy::to(server.port());
    let builder = Agent::builder().license_server(&server).set("license_server", REMOTE);
    let agent = builder.environment("HTTPS_PROXY", &proxy.url()).start();
    assert_active(&agent.status_after_checks(1));
    let report = diagnosis(&agent);
    for name in ["name", "connection", "TLS", "license server"] {
        assert_eq!(check(&report, name)["verdict"], "PASS", "{report:#}");
    }

    let refusing = Proxy::refusing("HTTP/1.1 403 No\r\n\r\n");
    let agent = Agent::builder().license_server(&server).environment("HTTPS_PROXY", &refusing.url());
    let agent = agent.set("license_server", REMOTE).start();
    agent.status_after_checks(1);
    let report = diagnosis(&agent);
    assert!(check(&report, "connection")["seen"].as_str().unwrap().contains("HTTP 403"), "{report:#}");
}

#[test]
fn a_proxy_can_speak_tls() {
    let server = FakeLicenseServer::start_as("license.example.com");
    let front = FakeLicenseServer::start_as("proxy.example.com");
    let proxy = tls_proxy(&front, server.port());
    let builder = Agent::builder().license_server(&server).set("license_server", REMOTE);
    let ca_file = builder.directory().join("license-ca.pem");
    fs::write(&ca_file, format!("{}{}", server.ca_pem(), front.ca_pem())).unwrap();
    let agent = builder.set("proxy", &format!("https://127.0.0.1:{}", proxy.port)).start();
    assert_active(&agent.status_after_checks(1));

    let agent = Agent::builder().license_server(&server).set("license_server", REMOTE);
    let agent = agent.set("proxy", &format!("https://127.0.0.1:{}", proxy.port)).start();
    assert_unverified(&agent, &["TLS with 127.0.0.1: its certificate names an authority that this server trusts, but"]);
}

/// doctor's report about this Agent, from a shell without proxy variables.
fn diagnosis(agent: &Agent) -> Value {
    agent.rewrite_config(&[("port", &agent.port().to_string())]);
    let mut command = Command::new(programs::agent());
    command.arg("--config").arg(agent.config_path()).args(["doctor", "--json"]).env_clear();
    let output = command.env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name}: {report:#}"))
}

/// A CONNECT proxy over TLS, with the certificate of `front`, that forwards to one local port.
fn tls_proxy(front: &FakeLicenseServer, target: u16) -> TcpServer {
    let config = front.tls_config();
    // A client that disconnects is not an error of the proxy.
    TcpServer::serving(move |client| drop(relay_tls(client, Arc::clone(&config), target)))
}

/// Looks at both sides in turn, because one thread has the TLS session.
fn relay_tls(client: TcpStream, config: Arc<rustls::ServerConfig>, target: u16) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let connection = rustls::ServerConnection::new(config).map_err(io::Error::other)?;
    let mut client = rustls::StreamOwned::new(connection, client);
    read_head(&mut client)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target))?;
    let turn = Some(Duration::from_millis(5));
    client.sock.set_read_timeout(turn)?;
    server.set_read_timeout(turn)?;
    loop {
        let mut chunk = [0; 4096];
        match client.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => server.write_all(&chunk[..count])?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        match server.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => client.write_all(&chunk[..count])?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn read_head(client: &mut impl io::Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A CONNECT proxy that forwards every connection to one local port, or rejects it.
struct Proxy {
    server: TcpServer,
    /// The heads of the requests so far.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(target: u16) -> Proxy {
        Proxy::start(Ok(target))
    }

    /// Answers every request like this.
    fn refusing(answer: &'static str) -> Proxy {
        Proxy::start(Err(answer))
    }

    fn start(target: Result<u16, &'static str>) -> Proxy {
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        // A client that disconnects is not an error of the proxy.
        let server = TcpServer::serving(move |client| drop(relay(client, target, &seen)));
        Proxy { server, heads }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// The request lines so far.
    fn received(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        heads.iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

/// Serves one client of the proxy.
fn relay(mut client: TcpStream, target: Result<u16, &str>, heads: &Mutex<Vec<String>>) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let head = read_head(&mut client)?;
    heads.lock().unwrap().push(head);
    let port = match target {
        Ok(port) => port,
        Err(answer) => return client.write_all(answer.as_bytes()),
    };
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    server.set_read_timeout(Some(PATIENCE))?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    std::thread::scope(|scope| {
        scope.spawn(|| copy_to_end(&client, &server));
        copy_to_end(&server, &client);
    });
    Ok(())
}

fn copy_to_end(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
