//! What the socket may have for us.

/// How far the client's half of the connection is known to have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// There may be something to read.
    Readable,
    /// There is nothing until epoll reports the next edge.
    Drained,
    /// epoll has reported the end, which it does once: what comes before it is read without another report.
    HalfClosed,
    /// The end has been read.
    Ended,
}

impl Input {
    /// Whether a read may find something.
    pub(super) fn is_readable(self) -> bool {
        matches!(self, Self::Readable | Self::HalfClosed)
    }

    /// epoll has reported bytes.
    pub(super) fn bytes_reported(&mut self) {
        if *self == Self::Drained {
            *self = Self::Readable;
        }
    }

    /// epoll has reported the end, and perhaps bytes before it.
    pub(super) fn end_reported(&mut self) {
        if *self != Self::Ended {
            *self = Self::HalfClosed;
        }
    }

    /// A read got less than it asked for: that was all, and the next byte is a new edge.
    pub(super) fn fell_short(&mut self) {
        if *self == Self::Readable {
            *self = Self::Drained;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_was_reported_is_read_without_another_report() {
        let mut input = Input::Readable;
        input.fell_short();
        assert!(input == Input::Drained && !input.is_readable());
        input.bytes_reported();
        assert!(input == Input::Readable && input.is_readable());
        input.end_reported();
        input.fell_short();
        input.bytes_reported();
        assert!(input == Input::HalfClosed && input.is_readable());
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let mut input = Input::Ended;
        input.bytes_reported();
        input.end_reported();
        input.fell_short();
        assert!(input == Input::Ended && !input.is_readable());
    }
}
