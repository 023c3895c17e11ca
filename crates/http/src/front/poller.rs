//! epoll: what it is told to report, and what its reports mean.

use std::io;
use std::net::TcpListener;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;

use crate::connection::{Connection, Interest};
use crate::slab::Key;
use opterius_base::waker::Waker;

/// epoll's word for the listener and for the waker: keys of connections never have all upper bits set.
const LISTENER: u64 = u64::MAX;
const WAKER: u64 = u64::MAX - 1;
/// How many ready sockets are taken from the kernel at a time.
const EVENTS: usize = 128;

/// The front's epoll.
pub(super) struct Poller(OwnedFd);

/// What epoll has reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Clients wait to be accepted.
    Listener,
    /// Another thread has something for us.
    Mailbox,
    /// A client is ready for something.
    Client(Key, Readiness),
}

/// What a client is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Nothing any more: the connection is broken, or closed from both ends.
    Closed,
    /// To be read to its end: the client sends nothing more.
    HalfClosed,
    /// To be read: the client has sent something.
    Readable,
    /// To be written to.
    Writable,
}

impl Poller {
    /// An epoll that reports what the listener and the waker have.
    pub(super) fn new(listener: &TcpListener, waker: &Waker) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        epoll::add(&epoll, waker.descriptor(), EventData::new_u64(WAKER), EventFlags::IN)?;
        Ok(Self(epoll))
    }

    /// Room for what one wait can report.
    pub(super) fn room() -> Vec<Event> {
        Vec::with_capacity(EVENTS)
    }

    /// Waits for something to report, or for the time to be over; without one for ever.
    pub(super) fn wait(&self, events: &mut Vec<Event>, time: Option<&Timespec>) -> io::Result<()> {
        events.clear();
        match epoll::wait(&self.0, rustix::buffer::spare_capacity(events), time) {
            Err(rustix::io::Errno::INTR) => Ok(()),
            result => Ok(result.map(|_| ())?),
        }
    }

    /// Has the listener reported, or no longer.
    pub(super) fn report_clients(&self, listener: &TcpListener, is_wanted: bool) -> io::Result<()> {
        let flags = if is_wanted { EventFlags::IN } else { EventFlags::empty() };
        Ok(epoll::modify(&self.0, listener, EventData::new_u64(LISTENER), flags)?)
    }

    /// Has at least this reported of a connection from now on. Closing its socket is what ends it.
    pub(super) fn watch(&self, key: Key, connection: &mut Connection, wanted: Interest) -> io::Result<()> {
        let known = connection.interest;
        if known >= wanted {
            return Ok(());
        }
        connection.interest = wanted;
        let data = EventData::new_u64(key.bits());
        let told = match known {
            Interest::Nothing => epoll::add(&self.0, connection.stream(), data, wanted.flags()),
            _ => epoll::modify(&self.0, connection.stream(), data, wanted.flags()),
        };
        Ok(told?)
    }
}

impl Report {
    /// What the event says.
    pub(super) fn of(event: Event) -> Self {
        let flags = event.flags;
        match event.data.u64() {
            LISTENER => Self::Listener,
            WAKER => Self::Mailbox,
            bits => Self::Client(Key::from_bits(bits), Readiness::of(flags)),
        }
    }
}

impl Readiness {
    fn of(flags: EventFlags) -> Self {
        if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
            Self::Closed
        } else if flags.contains(EventFlags::RDHUP) {
            Self::HalfClosed
        } else if flags.contains(EventFlags::IN) {
            Self::Readable
        } else {
            Self::Writable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_of_what_epoll_reports_counts() {
        let table = [
            (EventFlags::OUT, Readiness::Writable),
            (EventFlags::IN | EventFlags::OUT, Readiness::Readable),
            (EventFlags::RDHUP, Readiness::HalfClosed),
            (EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP, Readiness::HalfClosed),
            (EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP, Readiness::Closed),
            (EventFlags::IN | EventFlags::ERR, Readiness::Closed),
        ];
        for (flags, expected) in table {
            assert_eq!(Readiness::of(flags), expected, "{flags:?}");
        }
    }

    #[test]
    fn no_connection_is_taken_for_the_listener_or_the_waker() {
        let report = |bits| Report::of(Event { data: EventData::new_u64(bits), flags: EventFlags::IN });
        assert_eq!(report(LISTENER), Report::Listener);
        assert_eq!(report(WAKER), Report::Mailbox);
        assert_eq!(report(7), Report::Client(Key::from_bits(7), Readiness::Readable));
    }
}
