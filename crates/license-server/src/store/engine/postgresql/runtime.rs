//! The runtime of one connection: it runs on the thread that waits for an answer, and only as long as it waits.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime as Tokio};
use tokio::time::timeout;

/// A runtime of one thread.
pub(super) struct Runtime(Option<Tokio>);

impl Runtime {
    /// A new runtime.
    ///
    /// # Errors
    /// The process has no file descriptors left.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Some(Builder::new_current_thread().enable_io().enable_time().build()?)))
    }

    /// Waits for `work`; `None` if the time has passed first.
    pub(super) fn wait<T>(&self, time: Duration, work: impl Future<Output = T>) -> Option<T> {
        // The timer is made inside, where it finds its runtime.
        self.0.as_ref()?.block_on(async { timeout(time, work).await.ok() })
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // An ordinary drop waits for the resolver, which has no time limit.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
