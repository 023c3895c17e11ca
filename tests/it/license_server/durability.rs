//! Durability: every granted activation survives a kill at any moment.

use super::*;
use crate::support::http::fetch;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const THREADS: usize = 4;

/// Enough licenses to stay below the rate limit of each.
const LICENSES: usize = 16;

/// Servers that verify once each, until the license server is gone or the test is done.
pub(super) struct Load {
    port: u16,
    pub(super) licenses: Vec<TestLicense>,
    next: AtomicUsize,
    pub(super) done: AtomicBool,
    /// License and address of each granted verification.
    pub(super) granted: Mutex<Vec<(i64, String)>>,
}

impl Load {
    pub(super) fn new(server: &LicenseServerProcess) -> Load {
        let licenses = server.database.licenses("datacenter", LICENSES);
        let (next, done, granted) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(Vec::new()));
        Load { port: server.port(), licenses, next, done, granted }
    }

    fn send_until_done(&self) {
        while !self.done.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let license = &self.licenses[number % LICENSES];
            let address = format!("10.{}.{}.{}", number >> 16, (number >> 8) & 255, number & 255);
            let body = json!({"key": license.key, "server_ip": address, "hostname": "h".repeat(200)});
            match fetch(self.port, Request::post(VERIFY).body(body.to_string())) {
                Ok(response) if response.status == 200 => self.granted.lock().unwrap().push((license.id, address)),
                Ok(response) => assert_error(&response, 429, "rate_limited"),
                Err(_) => return,
            }
        }
    }

    /// Sends requests from several threads while `work` runs.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| self.send_until_done())).collect();
            let result = work();
            self.done.store(true, Ordering::Relaxed);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            result
        })
    }

    pub(super) fn granted(&self) -> usize {
        self.granted.lock().unwrap().len()
    }

    pub(super) fn wait_for(&self, count: usize) {
        let reached = eventually(START, || self.granted() >= count);
        assert!(reached, "only {} of {count} granted", self.granted());
    }
}

#[test]
fn a_killed_server_has_stored_every_granted_activation() {
    let mut server = LicenseServerProcess::start();
    let mut all: BTreeSet<(i64, String)> = BTreeSet::new();
    for count in [1, 7, 40, 3, 150, 300, 20, 90] {
        let load = Load::new(&server);
        load.during(|| {
            load.wait_for(count);
            server.kill();
        });
        all.extend(load.granted.into_inner().unwrap());
        server.restart();
        let licenses: BTreeSet<i64> = all.iter().map(|(id, _)| *id).collect();
        let stored: BTreeSet<(i64, String)> = licenses
            .into_iter()
            .flat_map(|id| server.database.addresses(id).into_iter().map(move |address| (id, address)))
            .collect();
        let lost: Vec<_> = all.difference(&stored).collect();
        assert!(lost.is_empty(), "killed after {count}: granted but lost: {lost:?}");
        assert_eq!(server.database.defects(), [] as [String; 0], "killed after {count}");
    }
    assert!(all.len() >= 600, "{}", all.len());
}
