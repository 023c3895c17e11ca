//! The queue of certificate requests. The Panel sends many at once and does not wait for them; one thread issues them one
//! after another, because certbot locks and certificate authorities limit the rate.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use log::warn;
use serde_json::Value;

use opterius_host::helper::protocol::HelperReply;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;

/// The capacity of the queue.
const MAX_QUEUED: usize = 1000;

/// The interval between two counts of all certificates.
const COUNT_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The request path of every entry.
const PATH: &str = "/ssl/issue-async";

/// Runs a request, given its path and body.
pub type Run = Box<dyn Fn(&'static str, Value) -> HelperReply + Send>;

/// The sending end of the queue.
#[derive(Clone)]
pub struct Queue {
    sender: Sender<QueuedCertificate>,
    domains: Arc<Mutex<BTreeSet<Domain>>>,
}

/// The receiving end of the queue.
pub struct Jobs {
    receiver: Receiver<QueuedCertificate>,
    domains: Arc<Mutex<BTreeSet<Domain>>>,
}

struct QueuedCertificate {
    domain: Domain,
    request: Value,
}

impl Queue {
    /// An empty queue: both ends.
    pub fn new() -> (Self, Jobs) {
        // A bounded channel would allocate its whole capacity at once.
        let (sender, receiver) = unbounded();
        let domains = Arc::<Mutex<BTreeSet<Domain>>>::default();
        (Self { sender, domains: Arc::clone(&domains) }, Jobs { receiver, domains })
    }

    /// Adds a certificate request, unless one for the same domain is queued or in progress.
    ///
    /// # Errors
    /// The queue is full.
    pub fn add(&self, domain: Domain, request: Value) -> Result<(), Problem> {
        let mut domains = lock(&self.domains);
        if domains.contains(&domain) {
            return Ok(());
        }
        let full = || Problem::Unavailable(format!("{MAX_QUEUED} certificate requests are queued. Try again later."));
        // Only holders of the lock send, so the length cannot grow in between.
        if self.sender.len() >= MAX_QUEUED {
            return Err(full());
        }
        self.sender.send(QueuedCertificate { domain: domain.clone(), request }).map_err(|_| full())?;
        domains.insert(domain);
        Ok(())
    }

    /// Whether a certificate for this domain is queued or in progress.
    pub fn contains(&self, domain: &Domain) -> bool {
        lock(&self.domains).contains(domain)
    }
}

impl Jobs {
    /// Issues the queued certificates one after another, until all sending ends are gone. Calls `count` at the start, after
    /// each, and once an hour.
    pub fn run(&self, run: &Run, count: &dyn Fn()) {
        loop {
            count();
            let QueuedCertificate { domain, request } = match self.receiver.recv_timeout(COUNT_INTERVAL) {
                Ok(queued) => queued,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let reply = run(PATH, request);
            if let Some(message) = reply.body.get("message").and_then(Value::as_str) {
                warn!("Certificate of {domain} not issued: {message}");
            }
            lock(&self.domains).remove(&domain);
        }
    }
}

fn lock(domains: &Mutex<BTreeSet<Domain>>) -> MutexGuard<'_, BTreeSet<Domain>> {
    // Ignores poisoning: each update is a single call, so a panic leaves the set consistent.
    domains.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;
    use serde_json::json;

    use super::*;
    use std::thread;

    fn domain(name: &str) -> Domain {
        Domain::parse("domain", name).unwrap()
    }

    #[test]
    fn requests_run_one_at_a_time_in_order_without_duplicates() {
        let (queue, jobs) = Queue::new();
        let (started, seen) = bounded(10);
        let (proceed, permitted) = bounded::<()>(10);
        let run: Run = Box::new(move |path, request: Value| {
            started.send((path.to_owned(), request.clone())).unwrap();
            permitted.recv().unwrap();
            if request == 1 { Err(Problem::Failed("No.".to_owned())).into() } else { Ok(Value::Null).into() }
        });
        queue.add(domain("a.example"), json!(1)).unwrap();
        queue.add(domain("b.example"), json!(2)).unwrap();
        queue.add(domain("b.example"), json!(3)).unwrap();
        let thread = thread::spawn(move || jobs.run(&run, &|| {}));
        assert_eq!(seen.recv().unwrap(), ("/ssl/issue-async".to_owned(), json!(1)));
        queue.add(domain("a.example"), json!(4)).unwrap();
        assert!(queue.contains(&domain("a.example")) && queue.contains(&domain("b.example")) && seen.is_empty());
        proceed.send(()).unwrap();
        assert_eq!(seen.recv().unwrap().1, 2);
        assert!(!queue.contains(&domain("a.example")) && queue.contains(&domain("b.example")));
        queue.add(domain("a.example"), json!(5)).unwrap();
        proceed.send(()).unwrap();
        assert_eq!(seen.recv().unwrap().1, 5);
        proceed.send(()).unwrap();
        drop(queue);
        thread.join().unwrap();
        assert!(seen.is_empty());
    }

    #[test]
    fn the_queue_is_bounded() {
        let (queue, jobs) = Queue::new();
        for number in 0..MAX_QUEUED {
            queue.add(domain(&format!("d{number}.example")), Value::Null).unwrap();
        }
        assert!(matches!(queue.add(domain("more.example"), Value::Null), Err(Problem::Unavailable(_))));
        assert!(!queue.contains(&domain("more.example")));
        queue.add(domain("d0.example"), Value::Null).unwrap();
        assert_eq!(jobs.receiver.len(), MAX_QUEUED);
    }
}
