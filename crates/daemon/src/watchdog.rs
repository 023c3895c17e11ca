//! The systemd watchdog, which is fed only after the daemon has answered a request.
//!
//! Even if all of its threads run, a daemon may be unable to serve clients. One thread therefore sends it requests over its
//! own port, like a client.

use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crossbeam_channel::after;
use log::warn;

/// The delay before a failed request is retried: a momentary overload must not cause a restart.
const RETRY: Duration = Duration::from_secs(1);

/// The request to send, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// The address at which clients reach the daemon.
    pub address: SocketAddr,
    /// The path to request; any HTTP response counts.
    pub path: &'static str,
    /// Time between requests: half of the service manager's watchdog timeout.
    pub interval: Duration,
}

impl Watchdog {
    /// The watchdog that the service manager requests in the environment, if any.
    pub fn of_process(address: SocketAddr, path: &'static str) -> Option<Self> {
        let variable = |name| env::var(name).ok();
        let interval = interval(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id())?;
        Some(Self { address, path, interval })
    }

    /// Sends requests forever, and calls `answered` after each response.
    pub fn run(&self, answered: impl Fn()) {
        let mut pause = self.interval;
        loop {
            // Sleeps; nothing is ever received.
            let _ = after(pause).recv();
            pause = match self.request() {
                Ok(()) => {
                    answered();
                    self.interval
                }
                Err(error) => {
                    warn!("The watchdog got no response from {}{}: {error}", self.address, self.path);
                    RETRY.min(self.interval)
                }
            };
        }
    }

    /// Sends one request over a new connection.
    fn request(&self) -> io::Result<()> {
        let limit = self.interval / 4;
        let mut stream = TcpStream::connect_timeout(&self.address, limit)?;
        stream.set_write_timeout(Some(limit))?;
        stream.set_read_timeout(Some(limit))?;
        let Self { address, path, .. } = self;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut start = [0; 9];
        stream.read_exact(&mut start)?;
        if &start == b"HTTP/1.1 " { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
    }
}

/// Half of the timeout in the variables of sd_watchdog_enabled(3), if they are meant for this process.
fn interval(microseconds: Option<String>, process: Option<String>, own: u32) -> Option<Duration> {
    let is_for_this_process = process.is_none_or(|process| process.parse() == Ok(own));
    let limit = Duration::from_micros(microseconds?.parse().ok()?);
    (is_for_this_process && !limit.is_zero()).then_some(limit / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn the_interval_is_half_of_this_processs_timeout() {
        let text = |text: &str| Some(text.to_owned());
        let table = [
            (text("30000000"), None, Some(Duration::from_secs(15))),
            (text("30000000"), text("7"), Some(Duration::from_secs(15))),
            (text("30000000"), text("8"), None),
            (text("0"), None, None),
            (text("-1"), None, None),
            (None, text("7"), None),
        ];
        for (microseconds, process, expected) in table {
            assert_eq!(interval(microseconds.clone(), process, 7), expected, "{microseconds:?}");
        }
    }

    #[test]
    fn only_an_http_response_counts() {
        let table: [(&[u8], bool); 4] = [
            (b"HTTP/1.1 503 Service Unavailable\r\n", true),
            (b"HTTP/1.1 ", true),
            (b"SSH-2.0-OpenSSH_9.2\r\n", false),
            (b"", false),
        ];
        for (answer, expected) in table {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 14];
                stream.read_exact(&mut request).unwrap();
                stream.write_all(answer).unwrap();
                request
            });
            let watchdog = Watchdog { address, path: "/health", interval: Duration::from_secs(40) };
            assert_eq!(watchdog.request().is_ok(), expected, "{answer:?}");
            assert_eq!(&server.join().unwrap(), b"GET /health HT");
        }
    }
}
