//! Asks the web server of this machine for a page, like a visitor.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use opterius_base::deadline::Deadline;
use opterius_host::tool::Tool;

/// How long an answer may take.
const TIME: Duration = Duration::from_secs(2);

/// The addresses to ask. Files of others can listen on 127.0.0.1 alone, and then answer everything that is sent there.
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)];

/// Largest part of an answer that is read, in bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// The answer to recognize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognized<'a> {
    /// This status.
    Status(u16),
    /// Status 200, with exactly this text.
    Text(&'a str),
}

/// Whether to ask over HTTP or HTTPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Port 80.
    Http,
    /// Port 443. The certificate is not verified, because it can be any one.
    Https,
}

impl Scheme {
    /// The port.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Whether one of the addresses answers this page of a site so.
pub fn answers(scheme: Scheme, name: &str, path: &str, expected: Recognized<'_>, deadline: Deadline) -> bool {
    ADDRESSES.iter().any(|address| {
        let answer = ask(scheme, *address, name, path, deadline).unwrap_or_default();
        match expected {
            Recognized::Status(status) => status_of(&answer) == Some(status),
            Recognized::Text(text) => status_of(&answer) == Some(200) && body(&answer) == Some(text),
        }
    })
}

/// Whether a program listens on the port.
pub fn is_open(scheme: Scheme) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, scheme.port()));
    TcpStream::connect_timeout(&address, TIME).is_ok()
}

/// The complete answer.
fn ask(scheme: Scheme, address: Ipv4Addr, name: &str, path: &str, deadline: Deadline) -> Option<String> {
    // HTTP/1.0: the server closes the connection after its answer.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {name}\r\n\r\n");
    let deadline = deadline.sooner(TIME);
    let address = SocketAddr::from((address, scheme.port()));
    match scheme {
        Scheme::Http => plain(address, &request, deadline).ok(),
        Scheme::Https => encrypted(address, name, request, deadline),
    }
}

fn plain(address: SocketAddr, request: &str, deadline: Deadline) -> std::io::Result<String> {
    let time = deadline.left().max(Duration::from_millis(1));
    let mut stream = TcpStream::connect_timeout(&address, time)?;
    stream.set_read_timeout(Some(time))?;
    stream.set_write_timeout(Some(time))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let read = stream.take(MAX_ANSWER).read_to_end(&mut answer);
    if answer.is_empty() { read.map(|_| String::new()) } else { Ok(String::from_utf8_lossy(&answer).into_owned()) }
}

/// The helper has no TLS of its own; the operations on certificates need this tool, too.
fn encrypted(address: SocketAddr, name: &str, request: String, deadline: Deadline) -> Option<String> {
    let tool = Tool::named("openssl").ok()?.args(["s_client", "-quiet", "-connect"]).arg(address.to_string());
    Some(tool.args(["-servername", name]).input(request).run(deadline).ok()?.stdout)
}

/// The status of an answer; none if it is not HTTP.
fn status_of(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.")?.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn body(answer: &str) -> Option<&str> {
    answer.split_once("\r\n\r\n").map(|(_, body)| body.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_of_http_has_a_status() {
        for (answer, status) in [
            ("HTTP/1.1 204 No Content\r\n", Some(204)),
            ("HTTP/1.0 503", Some(503)),
            ("HTTP/2 204", None),
            ("SSH-2.0-x 204", None),
            ("HTTP/1.1", None),
            ("", None),
        ] {
            assert_eq!(status_of(answer), status, "{answer}");
        }
    }
}
