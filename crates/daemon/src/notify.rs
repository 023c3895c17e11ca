//! What the service manager is told, and what it keeps for us: the protocol of sd_notify(3), spoken without its library.
//!
//! A message is one datagram to the socket that the environment names. Where it names none, nothing is told; and one that
//! is not taken is lost, because no daemon depends on who watches it. Children are not told of the socket: programs are run
//! with an environment of ours (`operations::tool`).
//!
//! By hand, because `sd-notify` would save the 30 lines that open the socket and send, and nothing of what is said when. It
//! can hand over a descriptor without unsafe of ours, but with a second crate (`sendfd`) and unsafe of theirs; it has no
//! limit on how long a service manager that does not read holds us up; and it reads back what was kept as bare numbers,
//! which only unsafe code makes sockets of, so that `sd-listen-fds` would stay beside it.

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

/// Names the socket; an `@` stands for the zero byte of an abstract name.
const SOCKET: &str = "NOTIFY_SOCKET";

/// How long a service manager that does not read may hold us up.
const PATIENCE: Duration = Duration::from_secs(1);

/// What our listening socket is called where it is kept.
const LISTENER: &str = "listener";

/// Characters of a status that are told.
const SHOWN: usize = 300;

/// How long readiness waits for what the daemon wants to know first.
const SETTLING: Duration = Duration::from_secs(5);

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notifier(Option<(UnixDatagram, SocketAddrUnix)>);

impl Notifier {
    /// The way that the environment names.
    pub fn of_process() -> Self {
        Self(env::var_os(SOCKET).and_then(|name| open(&name).ok()))
    }

    /// Whether anybody is told.
    fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Asks to keep a copy of the listener for the next run, so that nobody else gets its port meanwhile.
    pub fn keep(&self, listener: &TcpListener) {
        self.send(&format!("FDSTORE=1\nFDNAME={LISTENER}"), Some(listener.as_fd()));
    }

    /// Asks to let go of the copy.
    pub fn let_go(&self) {
        self.send(&format!("FDSTOREREMOVE=1\nFDNAME={LISTENER}"), None);
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
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok((socket, address))
}

/// What a daemon can say of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it is, in one line.
    pub line: String,
    /// Whether it knows what it wants to know before it counts as started or reloaded.
    pub is_settled: bool,
}

/// How far the daemon is in its life, as the service manager knows it.
#[derive(Debug)]
pub struct Progress {
    notifier: Notifier,
    line: String,
    /// When it is ready at the latest; none while it is, or has been told to stop.
    ready_by: Option<Instant>,
}

impl Progress {
    /// It has just been started.
    pub fn new(notifier: Notifier, now: Instant) -> Self {
        let ready_by = notifier.is_heard().then(|| now + SETTLING);
        Self { notifier, line: String::new(), ready_by }
    }

    /// It reads its configuration again.
    pub fn reloading(&mut self, now: Instant) {
        // The time tells the service manager which of several reloads this is.
        self.notifier.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_microseconds()), None);
        self.ready_by = self.notifier.is_heard().then(|| now + SETTLING);
    }

    /// It finishes what is running, and ends. Nothing is told any more after that.
    pub fn stopping(&mut self) {
        self.notifier.send("STOPPING=1", None);
        self.notifier = Notifier::default();
        self.ready_by = None;
    }

    /// It has answered a request: the watchdog is fed.
    pub fn alive(&self) {
        self.notifier.send("WATCHDOG=1", None);
    }

    /// Tells what is new.
    pub fn tell(&mut self, report: impl FnOnce() -> Report, now: Instant) {
        if !self.notifier.is_heard() {
            return;
        }
        let Report { line, is_settled } = report();
        let line = one_line(&line, SHOWN);
        if line != self.line {
            self.notifier.send(&format!("STATUS={line}"), None);
            self.line = line;
        }
        if self.ready_by.is_some_and(|until| is_settled || now >= until) {
            self.notifier.send("READY=1", None);
            self.ready_by = None;
        }
    }

    /// When there is something to tell, whatever happens before.
    pub fn ready_by(&self) -> Option<Instant> {
        self.ready_by
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    /// A service manager under an abstract name, and the way to it.
    fn manager(name: &str) -> (UnixDatagram, Notifier) {
        let name = format!("opterius-{name}-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        manager.set_nonblocking(true).unwrap();
        (manager, Notifier(Some(open(OsStr::new(&format!("@{name}"))).unwrap())))
    }

    fn heard(manager: &UnixDatagram) -> Vec<String> {
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
    fn readiness_waits_for_what_is_to_be_known_but_not_for_long() {
        let (manager, notifier) = manager("progress");
        let start = Instant::now();
        let mut progress = Progress::new(notifier, start);
        progress.tell(report("asking\nREADY=1", false), start);
        assert_eq!(heard(&manager), ["STATUS=asking READY=1"]);
        progress.tell(report("good", true), start);
        assert_eq!(heard(&manager), ["STATUS=good", "READY=1"]);
        progress.tell(report("good", true), start + SETTLING);
        assert_eq!((heard(&manager), progress.ready_by()), (vec![], None));

        progress.reloading(start);
        let told = heard(&manager);
        assert!(told[0].starts_with("RELOADING=1\nMONOTONIC_USEC=") && told.len() == 1, "{told:?}");
        progress.tell(report("good", false), start);
        assert_eq!((heard(&manager), progress.ready_by()), (vec![], Some(start + SETTLING)));
        progress.tell(report("good", false), start + SETTLING);
        assert_eq!(heard(&manager), ["READY=1"]);

        progress.reloading(start);
        progress.stopping();
        progress.tell(report("worse", true), start);
        progress.reloading(start);
        assert_eq!((heard(&manager)[1..].to_vec(), progress.ready_by()), (vec!["STOPPING=1".to_owned()], None));
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the instant is the test's own")]
    fn where_nobody_listens_nothing_waits() {
        let mut progress = Progress::new(Notifier::default(), Instant::now());
        progress.tell(|| panic!("nobody asks"), Instant::now());
        progress.reloading(Instant::now());
        assert_eq!(progress.ready_by(), None);
        let gone = UnixDatagram::unbound().unwrap();
        let nowhere = SocketAddrUnix::new_abstract_name(b"opterius-nobody").unwrap();
        Progress::new(Notifier(Some((gone, nowhere))), Instant::now()).alive();
    }
}
