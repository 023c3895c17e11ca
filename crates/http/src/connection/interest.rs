//! The epoll events that a connection is registered for.

use rustix::event::epoll::EventFlags;

/// The registered events, which only ever grow. All are edge-triggered, so that unread input does not cause repeated
/// wake-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Interest {
    /// Not registered. Most clients are answered before that is necessary.
    Nothing,
    /// Input and its end.
    Input,
    /// Also room for output.
    InputAndOutput,
}

impl Interest {
    /// The epoll flags.
    pub(crate) fn flags(self) -> EventFlags {
        let input = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        match self {
            Self::Nothing => EventFlags::empty(),
            Self::Input => input,
            Self::InputAndOutput => input | EventFlags::OUT,
        }
    }
}
