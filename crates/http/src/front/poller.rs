//! epoll: registration of sockets, and interpretation of events.

use std::io;
use std::net::TcpListener;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;

use crate::connection::{Connection, Interest};
use crate::slab::Key;
use opterius_base::waker::Waker;

/// Event data of the listener and of the waker. Connection keys never have all upper bits set.
const LISTENER: u64 = u64::MAX;
const WAKER: u64 = u64::MAX - 1;
/// Maximum number of events per wait.
const EVENTS: usize = 128;

/// The front's epoll instance.
pub(super) struct Poller(OwnedFd);

/// A decoded event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Clients are waiting to be accepted.
    Listener,
    /// Another thread has sent a message.
    Mailbox,
    /// A client is ready for something.
    Client(Key, Readiness),
}

/// What a client is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Nothing: the connection failed, or both sides closed it.
    Closed,
    /// Reading up to the end: the client shut down its sending side.
    HalfClosed,
    /// Reading.
    Readable,
    /// Writing.
    Writable,
}

impl Poller {
    /// Creates an epoll instance and registers the listener and the waker.
    pub(super) fn new(listener: &TcpListener, waker: &Waker) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        epoll::add(&epoll, waker.descriptor(), EventData::new_u64(WAKER), EventFlags::IN)?;
        Ok(Self(epoll))
    }

    /// A buffer for the events of one wait.
    pub(super) fn room() -> Vec<Event> {
        Vec::with_capacity(EVENTS)
    }

    /// Waits for events until the timeout; without one, forever.
    pub(super) fn wait(&self, events: &mut Vec<Event>, timeout: Option<&Timespec>) -> io::Result<()> {
        events.clear();
        match epoll::wait(&self.0, rustix::buffer::spare_capacity(events), timeout) {
            Err(rustix::io::Errno::INTR) => Ok(()),
            result => Ok(result.map(|_| ())?),
        }
    }

    /// Turns the listener's events on or off.
    pub(super) fn report_clients(&self, listener: &TcpListener, is_wanted: bool) -> io::Result<()> {
        let flags = if is_wanted { EventFlags::IN } else { EventFlags::empty() };
        Ok(epoll::modify(&self.0, listener, EventData::new_u64(LISTENER), flags)?)
    }

    /// Registers a connection for at least these events. Closing its socket unregisters it.
    pub(super) fn watch(&self, key: Key, connection: &mut Connection, wanted: Interest) -> io::Result<()> {
        let known = connection.interest;
        if known >= wanted {
            return Ok(());
        }
        connection.interest = wanted;
        let data = EventData::new_u64(key.bits());
        let registered = match known {
            Interest::Nothing => epoll::add(&self.0, connection.stream(), data, wanted.flags()),
            _ => epoll::modify(&self.0, connection.stream(), data, wanted.flags()),
        };
        Ok(registered?)
    }
}

impl Report {
    /// Decodes an event.
    pub(super) fn decode(event: Event) -> Self {
        let flags = event.flags;
        match event.data.u64() {
            LISTENER => Self::Listener,
            WAKER => Self::Mailbox,
            bits => Self::Client(Key::from_bits(bits), Readiness::from_flags(flags)),
        }
    }
}

impl Readiness {
    fn from_flags(flags: EventFlags) -> Self {
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
    fn the_most_severe_flag_decides() {
        let table = [
            (EventFlags::OUT, Readiness::Writable),
            (EventFlags::IN | EventFlags::OUT, Readiness::Readable),
            (EventFlags::RDHUP, Readiness::HalfClosed),
            (EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP, Readiness::HalfClosed),
            (EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP, Readiness::Closed),
            (EventFlags::IN | EventFlags::ERR, Readiness::Closed),
        ];
        for (flags, expected) in table {
            assert_eq!(Readiness::from_flags(flags), expected, "{flags:?}");
        }
    }

    #[test]
    fn connections_are_not_confused_with_the_listener_or_the_waker() {
        let report = |bits| Report::decode(Event { data: EventData::new_u64(bits), flags: EventFlags::IN });
        assert_eq!(report(LISTENER), Report::Listener);
        assert_eq!(report(WAKER), Report::Mailbox);
        assert_eq!(report(7), Report::Client(Key::from_bits(7), Readiness::Readable));
    }
}
