//! Whether a socket has input, tracked across edge-triggered reports.

/// The known state of the client's sending side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// There may be input.
    Readable,
    /// There is no input until epoll reports the next edge.
    Drained,
    /// epoll has reported the end, which it does only once. Read up to it without waiting for another report.
    HalfClosed,
    /// The end has been read.
    Ended,
}

impl Input {
    /// Whether a read may return something.
    pub(super) fn is_readable(self) -> bool {
        matches!(self, Self::Readable | Self::HalfClosed)
    }

    /// epoll has reported input.
    pub(super) fn bytes_reported(&mut self) {
        if *self == Self::Drained {
            *self = Self::Readable;
        }
    }

    /// epoll has reported the end; there may still be bytes before it.
    pub(super) fn end_reported(&mut self) {
        if *self != Self::Ended {
            *self = Self::HalfClosed;
        }
    }

    /// A read returned less than it asked for: the socket is empty, and the next byte causes a new edge.
    pub(super) fn short_read(&mut self) {
        if *self == Self::Readable {
            *self = Self::Drained;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reported_end_is_read_without_another_report() {
        let mut input = Input::Readable;
        input.short_read();
        assert!(input == Input::Drained && !input.is_readable());
        input.bytes_reported();
        assert!(input == Input::Readable && input.is_readable());
        input.end_reported();
        input.short_read();
        input.bytes_reported();
        assert!(input == Input::HalfClosed && input.is_readable());
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let mut input = Input::Ended;
        input.bytes_reported();
        input.end_reported();
        input.short_read();
        assert!(input == Input::Ended && !input.is_readable());
    }
}
