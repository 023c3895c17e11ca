//! Load on two instances from Agents and a shop that repeat what is not answered, and what they were told.

use super::instances::{HUNG, Instances, ask, call, verification};
use crate::support::http::Request;
use crate::support::license_database::TestLicense;
use crate::support::postgresql::Cluster;
use crate::support::{SetOnDrop, eventually, pause};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Servers that have their slots and check in again and again.
const CHECKING_IN: usize = 6;

/// Clients that activate one server after the other.
const ACTIVATING: usize = 3;

/// Clients that create licenses with the vendor API.
const SELLING: usize = 2;

/// The time between two requests of a client.
const PACE: Duration = Duration::from_millis(40);

/// The time before a request is repeated that was not answered.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How long it may take until all is well again after the last fault has ended.
const WELL: Duration = Duration::from_secs(60);

/// The clients, and what they were told.
pub struct Load {
    ports: [AtomicU16; 2],
    token: String,
    /// A license without a limit.
    license: TestLicense,
    told: Mutex<Told>,
    is_over: AtomicBool,
    /// Acknowledged verifications of servers with slots, activations, and licenses.
    counts: [AtomicUsize; 3],
}

#[derive(Default)]
struct Told {
    /// When the last acknowledged check-in of a server was sent.
    checked_in: BTreeMap<String, u64>,
    activated: Vec<String>,
    /// References of licenses that were created, with their keys.
    sold: Vec<(String, String)>,
    wrong: Vec<String>,
    unavailable: usize,
    without_answer: usize,
    slowest: Duration,
    slowest_unavailable: Duration,
}

/// What was seen in all.
#[derive(Debug)]
pub struct Report {
    pub acknowledged: [usize; 3],
    pub unavailable: usize,
    pub without_answer: usize,
    pub slowest_unavailable: Duration,
    slowest: Duration,
    /// From the end of the fault until each kind of request was answered again.
    pub back_after: Duration,
}

impl Load {
    pub fn new(instances: &Instances) -> Load {
        let license = instances.database().license("datacenter");
        Load {
            ports: instances.ports().map(AtomicU16::new),
            token: instances.token.clone(),
            license,
            told: Mutex::default(),
            is_over: AtomicBool::new(false),
            counts: [const { AtomicUsize::new(0) }; 3],
        }
    }

    /// An instance has another port since its restart.
    pub fn moved(&self, instances: &Instances) {
        for (known, port) in self.ports.iter().zip(instances.ports()) {
            known.store(port, Ordering::SeqCst);
        }
    }

    pub fn counts(&self) -> [usize; 3] {
        self.counts.each_ref().map(|count| count.load(Ordering::SeqCst))
    }

    /// Waits until each kind of request has been acknowledged `more` times from now on; returns how long that took.
    pub fn proceeds(&self, more: usize) -> Duration {
        let (began, before) = (Instant::now(), self.counts());
        let proceeds = || self.counts().iter().zip(before).all(|(now, before)| *now >= before + more);
        assert!(eventually(WELL, proceeds), "{before:?} {:?} {:?}", self.counts(), self.told.lock().unwrap().wrong);
        began.elapsed()
    }

    /// Runs the clients while `fault` does what it does and returns the time since when all should be well; then compares what
    /// they were told with what the database has.
    pub fn during(
        &self,
        name: &str,
        fault: impl FnOnce(&Load) -> Instant,
        database: impl FnOnce() -> Stored,
    ) -> Report {
        let back_after = std::thread::scope(|scope| {
            let over = SetOnDrop(&self.is_over);
            for number in 0..CHECKING_IN {
                scope.spawn(move || self.check_in(number));
            }
            for number in 0..ACTIVATING {
                scope.spawn(move || self.activate(number));
            }
            for number in 0..SELLING {
                scope.spawn(move || self.sell(number));
            }
            self.proceeds(5);
            let well_since = fault(self);
            self.proceeds(1);
            let back_after = well_since.elapsed();
            self.proceeds(5);
            drop(over);
            back_after
        });
        let report = self.report(back_after);
        self.compare(name, &report, &database());
        report
    }

    fn report(&self, back_after: Duration) -> Report {
        let told = self.told.lock().unwrap();
        Report {
            acknowledged: self.counts(),
            unavailable: told.unavailable,
            without_answer: told.without_answer,
            slowest_unavailable: told.slowest_unavailable,
            slowest: told.slowest,
            back_after,
        }
    }

    fn compare(&self, name: &str, report: &Report, stored: &Stored) {
        let told = self.told.lock().unwrap();
        let mut lost: Vec<String> = Vec::new();
        for (address, at) in &told.checked_in {
            if stored.servers.get(address).is_none_or(|seen| seen < at) {
                lost.push(format!("check-in of {address} at {at}, stored {:?}", stored.servers.get(address)));
            }
        }
        lost.extend(told.activated.iter().filter(|address| !stored.servers.contains_key(*address)).cloned());
        lost.extend(told.sold.iter().filter(|sold| !stored.licenses.contains(sold)).map(|(sold, _)| sold.clone()));
        println!("| {name} | {:?} | {} | {} | {report:?}", report.acknowledged, lost.len(), told.wrong.len());
        assert!(report.slowest < HUNG, "{report:?}");
        assert_eq!(lost, [] as [String; 0], "lost");
        assert_eq!(told.wrong, [] as [String; 0], "wrong answers");
        assert_eq!(stored.disagreements, "0", "activations whose entries in the history are not exactly one");
    }

    fn check_in(&self, number: usize) {
        let address = format!("203.0.113.{}", number + 1);
        while !self.is_over() {
            let sent = unix();
            if self.insist(number, &verification(&self.license, &address), 200).is_some() {
                self.told.lock().unwrap().checked_in.insert(address.clone(), sent);
                self.counts[0].fetch_add(1, Ordering::SeqCst);
            }
            pause(PACE);
        }
    }

    fn activate(&self, number: usize) {
        for server in 0.. {
            let address = format!("198.18.{}.{}", number * 32 + server / 250, 1 + server % 250);
            if self.is_over() {
                return;
            }
            if self.insist(number, &verification(&self.license, &address), 200).is_some() {
                self.told.lock().unwrap().activated.push(address);
                self.counts[1].fetch_add(1, Ordering::SeqCst);
            }
            pause(PACE);
        }
    }

    fn sell(&self, number: usize) {
        for order in 0.. {
            let reference = format!("order-{number}-{order}");
            let body = json!({"owner": {"name": "carol"}, "plan": "free", "reference": reference});
            let request = call(&self.token, "POST", "/licenses", Some(&body)).header("Idempotency-Key", &reference);
            if self.is_over() {
                return;
            }
            if let Some(answer) = self.insist(number, &request, 201) {
                self.told.lock().unwrap().sold.push((reference, answer["key"].as_str().unwrap().to_owned()));
                self.counts[2].fetch_add(1, Ordering::SeqCst);
            }
            pause(PACE * 4);
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Asks one instance after the other until one gives a definite answer, as an Agent does.
    fn insist(&self, first: usize, request: &Request, expected: u16) -> Option<serde_json::Value> {
        for turn in first.. {
            if self.is_over() && turn > first {
                return None;
            }
            let began = Instant::now();
            let answer = ask(self.ports[turn % 2].load(Ordering::SeqCst), request);
            let took = began.elapsed();
            let mut told = self.told.lock().unwrap();
            told.slowest = told.slowest.max(took);
            match answer {
                Ok(answer) if answer.status == expected => return Some(answer.json()),
                Ok(answer) if answer.status == 503 => {
                    told.unavailable += 1;
                    told.slowest_unavailable = told.slowest_unavailable.max(took);
                    if answer.header("Retry-After").is_none() {
                        told.wrong.push(format!("no Retry-After: {}", answer.text()));
                    }
                }
                Ok(answer) => told.wrong.push(format!("{}: {}", answer.status, answer.text())),
                Err(error) if error.kind() == std::io::ErrorKind::TimedOut => told.wrong.push("hung".to_owned()),
                // The instance is gone, or ends with the request.
                Err(_) => told.without_answer += 1,
            }
            drop(told);
            pause(BACK_OFF);
        }
        None
    }
}

/// What psql sees.
pub struct Stored {
    /// The last check-in of each server.
    servers: BTreeMap<String, u64>,
    /// The references and keys of licenses.
    licenses: Vec<(String, String)>,
    disagreements: String,
}

impl Stored {
    pub fn of(cluster: &Cluster) -> Stored {
        let pairs = |sql: &str| -> Vec<(String, String)> {
            let pair =
                |line: &str| line.split_once('|').map(|(one, other)| (one.to_owned(), other.to_owned())).unwrap();
            cluster.psql(sql).lines().map(pair).collect()
        };
        let servers = pairs("SELECT ip, last_seen_at FROM activations");
        Stored {
            servers: servers.into_iter().map(|(ip, at)| (ip, at.parse().unwrap())).collect(),
            licenses: pairs("SELECT reference, key FROM licenses WHERE reference IS NOT NULL"),
            disagreements: cluster.psql(
                "SELECT count(*) FROM activations WHERE (SELECT count(*) FROM events WHERE action = 'activated' AND \
                 events.license = activations.license AND actor = ip) <> 1",
            ),
        }
    }
}

fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
