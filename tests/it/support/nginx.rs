//! nginx as a child process, with the shipped configuration of the license server's proxy.

use super::fake_license_server::{Issued, reserve};
use super::process::{self, Process, START};
use super::{TempDirectory, eventually};
use crate::support::http::Response;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

/// A running nginx. Dropping it kills the process.
pub struct Nginx {
    process: Process,
    directory: TempDirectory,
    ca_pem: String,
    /// Sockets that reserve the ports for HTTP and HTTPS.
    reserved: [TcpListener; 2],
}

impl Nginx {
    /// Starts nginx in front of the license server on this port, with the name `localhost`.
    pub fn start(upstream: u16) -> Nginx {
        Nginx::start_edited(upstream, |site| site)
    }

    /// The same with further changes to the shipped configuration.
    pub fn start_edited(upstream: u16, edit: impl FnOnce(String) -> String) -> Nginx {
        let directory = TempDirectory::new();
        let issued = Issued::for_name("localhost");
        let reserved = [reserve(), reserve()];
        let in_directory = |name: &str| directory.path().join(name).display().to_string();
        fs::write(in_directory("fullchain.pem"), issued.certificate.pem()).unwrap();
        fs::write(in_directory("privkey.pem"), issued.key.serialize_pem()).unwrap();
        let [plain, tls] = reserved.each_ref().map(|socket| socket.local_addr().unwrap());
        let mut site = fs::read_to_string(shipped()).unwrap_or_else(|error| panic!("{}: {error}", shipped().display()));
        // Make the changes that a vendor makes, and change the addresses, so that the tests need no fixed ports.
        for (shipped, replacement) in [
            ("/etc/letsencrypt/live/licenses.example.com/fullchain.pem", in_directory("fullchain.pem")),
            ("/etc/letsencrypt/live/licenses.example.com/privkey.pem", in_directory("privkey.pem")),
            ("server 127.0.0.1:7480", format!("server 127.0.0.1:{upstream}")),
            ("listen [::]:80;", String::new()),
            ("listen [::]:443 ssl;", String::new()),
            ("listen 80;", format!("listen {plain};")),
            ("listen 443 ssl;", format!("listen {tls} ssl;")),
            ("licenses.example.com", "localhost".to_owned()),
        ] {
            assert!(site.contains(shipped), "the shipped configuration has no “{shipped}”");
            site = site.replace(shipped, &replacement);
        }
        fs::write(in_directory("site.conf"), edit(site)).unwrap();
        let temp_paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {};\n", in_directory(name)))
            .concat();
        let main = format!(
            "daemon off;\nmaster_process off;\npid {};\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{temp_paths}\
             include {};\n}}\n",
            in_directory("nginx.pid"),
            in_directory("site.conf")
        );
        fs::write(in_directory("nginx.conf"), main).unwrap();
        let words = ["nginx", "-p", &in_directory(""), "-c", &in_directory("nginx.conf"), "-e", "stderr"];
        let process = Process::start(process::command(&words.map(str::to_owned)));
        let nginx = Nginx { process, directory, ca_pem: issued.ca_pem, reserved };
        let answers = eventually(START, || TcpStream::connect(tls).is_ok() || !nginx.process.is_running());
        assert!(answers && nginx.process.is_running(), "nginx did not start: {:#?}", nginx.process.lines());
        nginx
    }

    /// The value of `license_server` in agent.conf.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.tls_port())
    }

    /// The CA file that a client must trust.
    pub fn ca_file(&self) -> PathBuf {
        let path = self.directory.path().join("ca.pem");
        fs::write(&path, &self.ca_pem).unwrap();
        path
    }

    pub fn plain_port(&self) -> u16 {
        self.reserved[0].local_addr().unwrap().port()
    }

    pub fn tls_port(&self) -> u16 {
        self.reserved[1].local_addr().unwrap().port()
    }

    /// Sends a request over TLS from an address of this machine, such as 127.0.0.2, and returns the response.
    pub fn fetch(&self, from: Ipv4Addr, request: impl Into<Vec<u8>>) -> Response {
        let socket =
            rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        rustix::net::bind(&socket, &SocketAddrV4::new(from, 0)).unwrap();
        rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.tls_port())).unwrap();
        let socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(START)).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(rustls::pki_types::CertificateDer::from_pem_slice(self.ca_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket);
        let mut request: Vec<u8> = request.into();
        // Make the response end with the connection.
        let at = request.windows(2).position(|window| window == b"\r\n").unwrap();
        request.splice(at..at, *b"\r\nConnection: close");
        stream.write_all(&request).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Response::read(&answer)
    }
}

fn shipped() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dist/nginx-license-server.conf")
}
