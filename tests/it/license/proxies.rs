//! Proxies.

use super::*;

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

#[test]
fn a_failing_proxy_is_reported_without_its_password() {
    let server = FakeLicenseServer::start();
    let proxy = Proxy::refusing("407 Proxy Authentication Required");
    let url = proxy.url().replace("http://", "http://user:open-sesame@");
    let agent = Agent::builder().license_server(&server).set("proxy", &url).start();
    assert_unverified(
        &agent,
        &["connecting through the proxy 127.0.0.1 port", "wants another user and password (HTTP 407)"],
    );
    let actual = agent.status().to_string() + &agent.lines().join("\n");
    assert!(!actual.contains("open-sesame"), "{actual}");
    assert_eq!(server.count(), 0);
}

/// A CONNECT proxy that forwards every connection to one local port, or rejects it.
struct Proxy {
    port: u16,
    received: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    fn to(target: u16) -> Proxy {
        Proxy::start(Ok(target))
    }

    fn refusing(status: &'static str) -> Proxy {
        Proxy::start(Err(status))
    }

    fn start(target: Result<u16, &'static str>) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (received, over) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (received, over) = (Arc::clone(&received), Arc::clone(&over));
            move || {
                for client in listener.incoming() {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    // A client that disconnects is not an error of the proxy.
                    let _ = client.and_then(|client| relay(client, target, &received));
                }
            }
        });
        Proxy { port, received, over, thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The request lines so far.
    fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves one client of the proxy.
fn relay(mut client: TcpStream, target: Result<u16, &str>, received: &Mutex<Vec<String>>) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    received.lock().unwrap().push(line);
    let port = match target {
        Ok(port) => port,
        Err(status) => return write!(client, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"),
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
