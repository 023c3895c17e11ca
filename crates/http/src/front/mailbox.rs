//! Messages from other threads to the front: responses, and the request to stop.

use std::io;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::lane::Responder;
use crate::response::Response;
use crate::slab::Key;
use opterius_base::waker::Waker;

/// Stops the front from another thread.
#[derive(Clone)]
pub struct Control {
    stop: Sender<()>,
    waker: Waker,
}

impl Control {
    /// Stops the front: it accepts no more connections, and gives running requests [`crate::limits::STOP_TIME`] to finish.
    pub fn stop(&self) {
        let _ = self.stop.try_send(());
        self.waker.wake();
    }
}

/// The front's receiving end.
pub(super) struct Mailbox {
    waker: Waker,
    stopped: Receiver<()>,
    /// Responses from handlers, each with the key of its connection.
    answers: Receiver<(Key, Response)>,
    answering: Sender<(Key, Response)>,
}

impl Mailbox {
    /// An empty mailbox, and the handle that stops the front.
    pub(super) fn new() -> io::Result<(Self, Control)> {
        let waker = Waker::new()?;
        let (stop, stopped) = bounded(1);
        let control = Control { stop, waker: waker.clone() };
        // The lanes limit how many responses can be pending. The front itself sends to this channel too, so that a full one
        // would deadlock.
        let (answering, answers) = unbounded();
        Ok((Self { waker, stopped, answers, answering }, control))
    }

    /// Wakes the front when there is a message.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// A responder for the request of connection `key`.
    pub(super) fn responder(&self, key: Key) -> Responder {
        Responder::new(key, self.answering.clone(), self.waker.clone())
    }

    /// The next response and the key of its connection.
    pub(super) fn next_answer(&self) -> Option<(Key, Response)> {
        self.answers.try_recv().ok()
    }

    /// Whether [`Control::stop`] was called.
    pub(super) fn stop_requested(&self) -> bool {
        self.stopped.try_recv().is_ok()
    }
}
