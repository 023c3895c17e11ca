//! The watchdog: whoever restarts a daemon that hangs is told that it lives only after a client was answered.
//!
//! A daemon whose threads all run may still serve nobody, so a thread of it asks it as a client does, over its own port.

use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crossbeam_channel::after;
use log::warn;

/// A request that was not answered is tried again after this time: one that met a crowd is no reason to be restarted.
const RETRY: Duration = Duration::from_secs(1);

/// What is asked, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// Where clients reach the daemon.
    pub address: SocketAddr,
    /// What is asked for; any answer will do.
    pub path: &'static str,
    /// Half of the time after which the service manager restarts the daemon.
    pub interval: Duration,
}

impl Watchdog {
    /// The one that the service manager asks this process for.
    pub fn of_process(address: SocketAddr, path: &'static str) -> Option<Self> {
        let variable = |name| env::var(name).ok();
        let interval = interval(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id())?;
        Some(Self { address, path, interval })
    }

    /// Asks for ever, and calls `answered` after each answer.
    pub fn run(&self, answered: impl Fn()) {
        let mut pause = self.interval;
        loop {
            // Nothing is ever sent; this is how a thread sleeps.
            let _ = after(pause).recv();
            pause = match self.ask() {
                Ok(()) => {
                    answered();
                    self.interval
                }
                Err(error) => {
                    warn!("The watchdog got no answer from {}{}: {error}", self.address, self.path);
                    RETRY.min(self.interval)
                }
            };
        }
    }

    /// One request over a connection of its own, as every client makes them.
    fn ask(&self) -> io::Result<()> {
        let limit = self.interval / 4;
        let mut stream = TcpStream::connect_timeout(&self.address, limit)?;
        stream.set_write_timeout(Some(limit))?;
        stream.set_read_timeout(Some(limit))?;
        let Self { address, path, .. } = self;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut beginning = [0; 9];
        stream.read_exact(&mut beginning)?;
        if &beginning == b"HTTP/1.1 " { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
    }
}

/// Half of what the variables of sd_watchdog_enabled(3) say, if they are meant for this process.
fn interval(microseconds: Option<String>, process: Option<String>, own: u32) -> Option<Duration> {
    let is_ours = process.is_none_or(|process| process.parse() == Ok(own));
    let limit = Duration::from_micros(microseconds?.parse().ok()?);
    (is_ours && !limit.is_zero()).then_some(limit / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn the_interval_is_half_of_what_is_asked_of_this_process() {
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
    fn only_an_answer_of_http_counts() {
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
            assert_eq!(watchdog.ask().is_ok(), expected, "{answer:?}");
            assert_eq!(&server.join().unwrap(), b"GET /health HT");
        }
    }
}
