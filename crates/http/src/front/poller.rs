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
    Clients,
    /// Another thread has something for us.
    Mail,
    /// Something is new with a client.
    Client(Key, News),
}

/// What is new with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The connection is broken, or closed from both ends.
    Broken,
    /// The client sends nothing more after what it has sent.
    End,
    /// The client has sent something.
    Bytes,
    /// The client can be written to.
    Room,
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
            LISTENER => Self::Clients,
            WAKER => Self::Mail,
            bits => Self::Client(Key::from_bits(bits), News::of(flags)),
        }
    }
}

impl News {
    fn of(flags: EventFlags) -> Self {
        if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
            Self::Broken
        } else if flags.contains(EventFlags::RDHUP) {
            Self::End
        } else if flags.contains(EventFlags::IN) {
            Self::Bytes
        } else {
            Self::Room
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_of_what_epoll_reports_counts() {
        let table = [
            (EventFlags::OUT, News::Room),
            (EventFlags::IN | EventFlags::OUT, News::Bytes),
            (EventFlags::RDHUP, News::End),
            (EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP, News::End),
            (EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP, News::Broken),
            (EventFlags::IN | EventFlags::ERR, News::Broken),
        ];
        for (flags, expected) in table {
            assert_eq!(News::of(flags), expected, "{flags:?}");
        }
    }

    #[test]
    fn no_connection_is_taken_for_the_listener_or_the_waker() {
        let report = |bits| Report::of(Event { data: EventData::new_u64(bits), flags: EventFlags::IN });
        assert_eq!(report(LISTENER), Report::Clients);
        assert_eq!(report(WAKER), Report::Mail);
        assert_eq!(report(7), Report::Client(Key::from_bits(7), News::Bytes));
    }
}
