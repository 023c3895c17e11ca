//! Wakes a thread that waits on file descriptors.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

/// An eventfd that wakes a thread which polls it.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Creates the eventfd.
    ///
    /// # Errors
    /// The process has run out of file descriptors.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// The descriptor that becomes readable on a wake-up.
    pub fn descriptor(&self) -> &OwnedFd {
        &self.0
    }

    /// Wakes the thread. Several wake-ups before the next [`Waker::clear`] count as one.
    pub fn wake(&self) {
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    /// Clears pending wake-ups. Call it before looking for work, so that none is missed.
    pub fn clear(&self) {
        let _ = rustix::io::read(&*self.0, &mut [0_u8; 8]);
    }
}
