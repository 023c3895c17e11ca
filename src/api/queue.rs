//! Certificates that wait to be issued. The Panel asks for many at once and does not wait; one thread has them issued one
//! after another, because certbot runs alone and certificate authorities count.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};
use log::warn;
use serde_json::Value;

use opterius_host::helper::protocol::HelperReply;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;

/// The most that wait.
const MOST: usize = 1000;

/// The request that each of them is.
const PATH: &str = "/ssl/issue-async";

/// Runs a request, given by its path and what it asks for.
pub type Run = Box<dyn Fn(&'static str, Value) -> HelperReply + Send>;

/// Where certificates wait.
#[derive(Clone)]
pub struct Queue {
    sender: Sender<Waiting>,
    domains: Arc<Mutex<BTreeSet<Domain>>>,
}

/// The other end of the queue.
pub struct Jobs {
    receiver: Receiver<Waiting>,
    domains: Arc<Mutex<BTreeSet<Domain>>>,
}

struct Waiting {
    domain: Domain,
    request: Value,
}

impl Queue {
    /// An empty queue and its other end.
    pub fn new() -> (Self, Jobs) {
        // A bounded channel would take the memory of all of them at once.
        let (sender, receiver) = unbounded();
        let domains = Arc::<Mutex<BTreeSet<Domain>>>::default();
        (Self { sender, domains: Arc::clone(&domains) }, Jobs { receiver, domains })
    }

    /// Adds the certificate of a site, by the request for it. One that is waiting already, or being issued, is not added
    /// again.
    ///
    /// # Errors
    /// Too many are waiting.
    pub fn add(&self, domain: Domain, request: Value) -> Result<(), Problem> {
        let mut domains = lock(&self.domains);
        if domains.contains(&domain) {
            return Ok(());
        }
        let full = || Problem::Unavailable(format!("{MOST} certificates are waiting to be issued. Try again later."));
        // Whoever adds one holds the lock on the domains, so none comes in between.
        if self.sender.len() >= MOST {
            return Err(full());
        }
        self.sender.send(Waiting { domain: domain.clone(), request }).map_err(|_| full())?;
        domains.insert(domain);
        Ok(())
    }

    /// Whether the certificate of a site waits or is being issued.
    pub fn contains(&self, domain: &Domain) -> bool {
        lock(&self.domains).contains(domain)
    }
}

impl Jobs {
    /// Has one after another issued, for as long as there is somebody who could add one.
    pub fn run(&self, run: &Run) {
        for Waiting { domain, request } in &self.receiver {
            let reply = run(PATH, request);
            if let Some(message) = reply.body.get("message").and_then(Value::as_str) {
                warn!("The certificate of {domain} was not issued: {message}");
            }
            lock(&self.domains).remove(&domain);
        }
    }
}

fn lock(domains: &Mutex<BTreeSet<Domain>>) -> MutexGuard<'_, BTreeSet<Domain>> {
    // Every change of the set is one call, so it is whole whoever has panicked.
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
    fn one_runs_at_a_time_in_order_and_what_is_there_is_not_added_again() {
        let (queue, jobs) = Queue::new();
        let (started, seen) = bounded(10);
        let (go_on, permitted) = bounded::<()>(10);
        let run: Run = Box::new(move |path, request: Value| {
            started.send((path.to_owned(), request.clone())).unwrap();
            permitted.recv().unwrap();
            if request == 1 { Err(Problem::Failed("No.".to_owned())).into() } else { Ok(Value::Null).into() }
        });
        queue.add(domain("a.example"), json!(1)).unwrap();
        queue.add(domain("b.example"), json!(2)).unwrap();
        queue.add(domain("b.example"), json!(3)).unwrap();
        let thread = thread::spawn(move || jobs.run(&run));
        assert_eq!(seen.recv().unwrap(), ("/ssl/issue-async".to_owned(), json!(1)));
        queue.add(domain("a.example"), json!(4)).unwrap();
        assert!(queue.contains(&domain("a.example")) && queue.contains(&domain("b.example")) && seen.is_empty());
        go_on.send(()).unwrap();
        assert_eq!(seen.recv().unwrap().1, 2);
        assert!(!queue.contains(&domain("a.example")) && queue.contains(&domain("b.example")));
        queue.add(domain("a.example"), json!(5)).unwrap();
        go_on.send(()).unwrap();
        assert_eq!(seen.recv().unwrap().1, 5);
        go_on.send(()).unwrap();
        drop(queue);
        thread.join().unwrap();
        assert!(seen.is_empty());
    }

    #[test]
    fn the_queue_is_bounded() {
        let (queue, jobs) = Queue::new();
        for number in 0..MOST {
            queue.add(domain(&format!("d{number}.example")), Value::Null).unwrap();
        }
        assert!(matches!(queue.add(domain("more.example"), Value::Null), Err(Problem::Unavailable(_))));
        assert!(!queue.contains(&domain("more.example")));
        queue.add(domain("d0.example"), Value::Null).unwrap();
        assert_eq!(jobs.receiver.len(), MOST);
    }
}
