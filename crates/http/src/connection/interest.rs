//! What epoll reports of a connection.

use rustix::event::epoll::EventFlags;

/// What epoll has been told to report; it is only ever told of more. All of it is edge-triggered: bytes that we do not
/// want yet do not wake us again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Interest {
    /// Nothing: epoll does not know of the connection. Most clients have been answered before it has to.
    Nothing,
    /// What the client sends, and that it sends no more.
    Input,
    /// Also that it can be written to.
    InputAndOutput,
}

impl Interest {
    /// epoll's words for it.
    pub(crate) fn flags(self) -> EventFlags {
        let input = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        match self {
            Self::Nothing => EventFlags::empty(),
            Self::Input => input,
            Self::InputAndOutput => input | EventFlags::OUT,
        }
    }
}
