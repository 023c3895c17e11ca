//! Notifications to systemd, and its file descriptor store: the sd_notify(3) protocol, without its library.
//!
//! A message is one datagram to the socket that the environment names. Without one, nothing is sent. A message that cannot
//! be sent is dropped, because a daemon must not depend on its service manager. Child processes do not inherit the socket's
//! name: they run with an explicit environment (`opterius_host::tool`).
//!
//! Written by hand, because the `sd-notify` crate would replace only the 30 lines that open the socket and send, not the
//! decisions about what to send when. It can pass a descriptor only with a second crate (`sendfd`) and its unsafe code; it
//! does not limit how long a service manager that does not read can block us; and it returns stored descriptors as
//! integers, which only unsafe code can turn into sockets, so that `sd-listen-fds` would still be needed.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr};

use opterius_base::clock::monotonic_microseconds;
use opterius_base::text::one_line;

/// The environment variable with the socket's name; a leading `@` stands for the zero byte of an abstract name.
const SOCKET: &str = "NOTIFY_SOCKET";

/// How long a send can block if the service manager does not read.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// The name of the listening socket in the descriptor store.
const LISTENER: &str = "listener";

/// Longest status line, in characters.
const MAX_STATUS: usize = 300;

/// How long READY=1 is delayed at most until the daemon has settled.
const SETTLE_TIME: Duration = Duration::from_secs(5);

/// The connection to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notifier(Option<(UnixDatagram, SocketAddrUnix)>);

impl Notifier {
    /// Connects to the socket named by the environment.
    pub fn of_process() -> Self {
        Self(env::var_os(SOCKET).and_then(|name| open(&name).ok()))
    }

    /// Whether there is a service manager to notify.
    fn is_connected(&self) -> bool {
        self.0.is_some()
    }

    /// Stores a copy of the listener for the next run, so that no other process can take its port in between.
    pub fn store_listener(&self, listener: &TcpListener) {
        self.send(&format!("FDSTORE=1\nFDNAME={LISTENER}"), Some(listener.as_fd()));
    }

    /// Removes the stored copy.
    pub fn discard_listener(&self) {
        self.send(&format!("FDSTOREREMOVE=1\nFDNAME={LISTENER}"), None);
    }

    /// Reports that the start goes on, so that the service manager waits `time` for the next report or the end of the
    /// start, whatever TimeoutStartSec says.
    pub fn extend_start(&self, line: &str, time: Duration) {
        let line = one_line(line, MAX_STATUS);
        self.send(&format!("STATUS={line}\nEXTEND_TIMEOUT_USEC={}", time.as_micros()), None);
    }

    fn send(&self, message: &str, descriptor: Option<BorrowedFd<'_>>) {
        let Some((socket, address)) = &self.0 else { return };
        let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let text = [IoSlice::new(message.as_bytes())];
        let _ = sendmsg_addr(socket, address, &text, &mut control, SendFlags::NOSIGNAL);
    }
}

fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddrUnix)> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddrUnix::new_abstract_name(name)?,
        None => SocketAddrUnix::new(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    Ok((socket, address))
}

/// The daemon's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The status in one line.
    pub line: String,
    /// Whether a start or reload is complete, so that READY=1 can be sent.
    pub is_settled: bool,
}

/// The daemon's state, as reported to the service manager.
#[derive(Debug)]
pub struct Progress {
    notifier: Notifier,
    line: String,
    /// When READY=1 is sent at the latest; none once it is sent or the daemon is stopping.
    ready_by: Option<Instant>,
}

impl Progress {
    /// A daemon that has just started.
    pub fn new(notifier: Notifier, now: Instant) -> Self {
        let ready_by = notifier.is_connected().then(|| now + SETTLE_TIME);
        Self { notifier, line: String::new(), ready_by }
    }

    /// Reports that the configuration is being reloaded.
    pub fn reloading(&mut self, now: Instant) {
        // The timestamp identifies this reload if there are several.
        self.notifier.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_microseconds()), None);
        self.ready_by = self.notifier.is_connected().then(|| now + SETTLE_TIME);
    }

    /// Reports that the daemon is stopping. Nothing is sent after that.
    pub fn stopping(&mut self) {
        self.notifier.send("STOPPING=1", None);
        self.notifier = Notifier::default();
        self.ready_by = None;
    }

    /// Feeds the watchdog.
    pub fn alive(&self) {
        self.notifier.send("WATCHDOG=1", None);
    }

    /// Sends the status, if it has changed, and READY=1, if it is due.
    pub fn update(&mut self, report: impl FnOnce() -> Report, now: Instant) {
        if !self.notifier.is_connected() {
            return;
        }
        let Report { line, is_settled } = report();
        let line = one_line(&line, MAX_STATUS);
        if line != self.line {
            self.notifier.send(&format!("STATUS={line}"), None);
            self.line = line;
        }
        if self.ready_by.is_some_and(|until| is_settled || now >= until) {
            self.notifier.send("READY=1", None);
            self.ready_by = None;
        }
    }

    /// When READY=1 is due at the latest.
    pub fn ready_by(&self) -> Option<Instant> {
        self.ready_by
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    /// A fake service manager on an abstract socket, and the connection to it.
    fn manager(name: &str) -> (UnixDatagram, Notifier) {
        let name = format!("opterius-{name}-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        manager.set_nonblocking(true).unwrap();
        (manager, Notifier(Some(open(OsStr::new(&format!("@{name}"))).unwrap())))
    }

    fn received(manager: &UnixDatagram) -> Vec<String> {
        let mut bytes = [0; 1024];
        let messages = std::iter::from_fn(|| manager.recv(&mut bytes).ok().map(|length| bytes[..length].to_vec()));
        messages.map(|message| String::from_utf8(message).unwrap()).collect()
    }

    fn report(line: &str, is_settled: bool) -> impl FnOnce() -> Report {
        let line = line.to_owned();
        move || Report { line, is_settled }
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the instants are the test's own")]
    fn readiness_waits_until_the_daemon_has_settled_but_not_for_long() {
        let (manager, notifier) = manager("progress");
        let start = Instant::now();
        let mut progress = Progress::new(notifier, start);
        progress.update(report("asking\nREADY=1", false), start);
        assert_eq!(received(&manager), ["STATUS=asking READY=1"]);
        progress.update(report("good", true), start);
        assert_eq!(received(&manager), ["STATUS=good", "READY=1"]);
        progress.update(report("good", true), start + SETTLE_TIME);
        assert_eq!((received(&manager), progress.ready_by()), (vec![], None));

        progress.reloading(start);
        let messages = received(&manager);
        assert!(messages[0].starts_with("RELOADING=1\nMONOTONIC_USEC=") && messages.len() == 1, "{messages:?}");
        progress.update(report("good", false), start);
        assert_eq!((received(&manager), progress.ready_by()), (vec![], Some(start + SETTLE_TIME)));
        progress.update(report("good", false), start + SETTLE_TIME);
        assert_eq!(received(&manager), ["READY=1"]);

        progress.reloading(start);
        progress.stopping();
        progress.update(report("worse", true), start);
        progress.reloading(start);
        assert_eq!((received(&manager)[1..].to_vec(), progress.ready_by()), (vec!["STOPPING=1".to_owned()], None));
    }

    #[test]
    fn a_long_start_is_waited_for() {
        let (manager, notifier) = manager("long-start");
        notifier.extend_start("checking\nREADY=1", Duration::from_secs(120));
        assert_eq!(received(&manager), ["STATUS=checking READY=1\nEXTEND_TIMEOUT_USEC=120000000"]);
        Notifier::default().extend_start("checking", Duration::from_secs(120));
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the instant is the test's own")]
    fn without_a_service_manager_nothing_waits() {
        let mut progress = Progress::new(Notifier::default(), Instant::now());
        progress.update(|| panic!("the report is not needed"), Instant::now());
        progress.reloading(Instant::now());
        assert_eq!(progress.ready_by(), None);
        let gone = UnixDatagram::unbound().unwrap();
        let nowhere = SocketAddrUnix::new_abstract_name(b"opterius-absent").unwrap();
        Progress::new(Notifier(Some((gone, nowhere))), Instant::now()).alive();
    }
}
