//! What other threads have for the front: answers on their way back, and the word to stop.

use std::io;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::lane::Responder;
use crate::response::Response;
use crate::slab::Key;
use opterius_base::waker::Waker;

/// What other threads tell the front.
#[derive(Clone)]
pub struct Control {
    stop: Sender<()>,
    waker: Waker,
}

impl Control {
    /// Ends the front: no more connections, running requests get their answer within
    /// [`crate::limits::STOP_TIME`].
    pub fn stop(&self) {
        let _ = self.stop.try_send(());
        self.waker.wake();
    }
}

/// The front's end.
pub(super) struct Mailbox {
    waker: Waker,
    stopped: Receiver<()>,
    /// What answers come back on, each with the connection that it belongs to.
    answers: Receiver<(Key, Response)>,
    answering: Sender<(Key, Response)>,
}

impl Mailbox {
    /// An empty one, and the handle to stop the front.
    pub(super) fn new() -> io::Result<(Self, Control)> {
        let waker = Waker::new()?;
        let (stop, stopped) = bounded(1);
        let control = Control { stop, waker: waker.clone() };
        // The lanes bound what can come back; the front itself answers into it, so it must never be full.
        let (answering, answers) = unbounded();
        Ok((Self { waker, stopped, answers, answering }, control))
    }

    /// What wakes the front when there is something.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// What answers the request of this connection from another thread.
    pub(super) fn responder(&self, key: Key) -> Responder {
        Responder::new(key, self.answering.clone(), self.waker.clone())
    }

    /// The next answer, and the connection that it belongs to.
    pub(super) fn next_answer(&self) -> Option<(Key, Response)> {
        self.answers.try_recv().ok()
    }

    /// Whether the word to stop has come.
    pub(super) fn is_told_to_stop(&self) -> bool {
        self.stopped.try_recv().is_ok()
    }
}
