use std::thread;

use serde_json::Value;

use super::*;
use opterius_base::clock::{Clock, SystemClock};

const LONG: Duration = Duration::from_secs(20);

/// A running sampler.
struct Running {
    metrics: Option<Metrics>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Running {
    fn start(interval: Duration, idle_timeout: Duration) -> Self {
        let pace = Pace { first: Duration::from_millis(1), interval, idle_timeout };
        let (metrics, sampler) = Metrics::new(Arc::new(SystemClock), "/".into(), pace);
        Self { metrics: Some(metrics), thread: Some(thread::spawn(move || sampler.run())) }
    }

    fn metrics(&self) -> &Metrics {
        self.metrics.as_ref().unwrap()
    }

    fn request(&self) -> Receiver<Option<Arc<Published>>> {
        let (sender, receiver) = bounded(1);
        self.metrics().request(SystemClock.boot(), Box::new(move |published| sender.send(published).unwrap()));
        receiver
    }

    /// Whether the sampler dropped its metrics; does not count as a request.
    fn is_asleep(&self) -> bool {
        lock(&self.metrics().shared).published.is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.metrics = None;
        self.thread.take().unwrap().join().unwrap();
    }
}

fn snapshots(published: &Published) -> Vec<Value> {
    serde_json::from_slice::<Value>(&published.body).unwrap()["snapshots"].as_array().unwrap().clone()
}

fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    let (sender, receiver) = bounded::<()>(0);
    let until = SystemClock.monotonic() + LONG;
    while SystemClock.monotonic() < until {
        if condition() {
            return true;
        }
        let _ = receiver.recv_timeout(Duration::from_millis(2));
    }
    drop(sender);
    false
}

#[test]
fn the_first_answer_has_one_snapshot_of_twelve_numbers() {
    let running = Running::start(LONG, LONG);
    assert!(running.metrics().latest(SystemClock.boot()).is_none());
    let first = running.request().recv_timeout(LONG).unwrap().unwrap();
    let snapshots = snapshots(&first);
    assert_eq!(snapshots.len(), 1);
    let members = snapshots[0].as_object().unwrap();
    assert_eq!(members.len(), 12);
    assert!(members.values().all(|number| number.as_f64().is_some_and(|number| number >= 0.0)), "{members:?}");
    assert!(members.iter().all(|(name, number)| !name.contains("percent") || number.as_f64().unwrap() <= 100.0));
}

#[test]
fn all_requests_share_one_answer_up_to_a_limit() {
    // The sampler does not run yet, so that all requests wait.
    let pace = Pace { first: Duration::ZERO, ..Pace::default() };
    let (metrics, sampler) = Metrics::new(Arc::new(SystemClock), "/".into(), pace);
    let mut running = Running { metrics: Some(metrics), thread: None };
    let waiting: Vec<_> = (0..MAX_WAITING).map(|_| running.request()).collect();
    assert!(running.request().recv_timeout(LONG).unwrap().is_none(), "one too many is rejected");
    running.thread = Some(thread::spawn(move || sampler.run()));
    let answers: Vec<_> = waiting.iter().map(|reply| reply.recv_timeout(LONG).unwrap().unwrap()).collect();
    assert!(answers.iter().all(|answer| Arc::ptr_eq(answer, &answers[0])));
    let later = running.request().recv_timeout(LONG).unwrap().unwrap();
    assert!(Arc::ptr_eq(&later, &answers[0]) && later.latest == answers[0].latest);
}

#[test]
fn at_most_sixty_snapshots_are_kept() {
    let running = Running::start(Duration::from_millis(1), LONG);
    let mut before = running.request().recv_timeout(LONG).unwrap().unwrap();
    let mut looks = 0;
    let enough = eventually(|| {
        let now = running.metrics().latest(SystemClock.boot()).unwrap();
        looks += usize::from(!Arc::ptr_eq(&now, &before));
        before = now;
        assert!(snapshots(&before).len() <= MAX_SNAPSHOTS);
        looks > MAX_SNAPSHOTS
    });
    assert!(enough && snapshots(&before).len() == MAX_SNAPSHOTS);
}

#[test]
fn it_sleeps_without_requests_and_restarts_with_the_next() {
    let running = Running::start(Duration::from_millis(1), Duration::from_millis(50));
    for _ in 0..3 {
        let first = running.request().recv_timeout(LONG).unwrap().unwrap();
        assert_eq!(snapshots(&first).len(), 1);
        assert!(eventually(|| running.is_asleep()));
    }
}
