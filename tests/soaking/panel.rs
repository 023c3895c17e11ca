//! A well-behaved client: a Panel's mixed load. Each request must get the expected response, unless a SIGKILL
//! interrupts it.

use crate::daemon::Daemon;
use crate::license_server::MAX_ACCOUNTS;
use crate::model::Observation;
use crate::random::Random;
use crate::support::http::{Connection, Request, Response};
use crate::support::panel::site;
use crate::support::snapshot::Snapshot;
use crate::support::{eventually, pause};
use crate::world::{Begun, World};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::OffsetDateTime;

/// The Panel's timeout.
const PANEL_TIMEOUT: Duration = Duration::from_secs(120);

/// Time limit for responses from memory, on a loaded machine.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(8);

/// A response, and when its request was sent.
struct Answer {
    begun: Begun,
    response: Response,
}

/// Sends a request; none if a SIGKILL interrupted it, the clock was set meanwhile, or the phase is over.
fn ask(world: &World, request: &Request, signed: bool, within: Duration) -> Option<Answer> {
    let begun = world.begin()?;
    let ahead = time::Duration::seconds(world.lock().wall);
    let bytes = if signed { request.clone().signed_at(OffsetDateTime::now_utc() + ahead) } else { request.clone() };
    let result = Connection::open(world.port).and_then(|mut connection| {
        connection.send(bytes.bytes())?;
        connection.receive(within)
    });
    world.count("good requests");
    match result {
        Err(_) if world.was_killed(begun) => world.count("good requests interrupted by SIGKILL"),
        Err(error) => world.violated(&format!("a good request failed: {error}: {}", head(&bytes))),
        Ok(response) if response.status == 401 && world.was_set(begun) => {
            world.count("good requests across a clock step")
        }
        Ok(response) => return Some(Answer { begun, response }),
    }
    None
}

fn head(request: &Request) -> String {
    String::from_utf8_lossy(&request.bytes()).replace("\r\n", " | ")
}

/// Sends a request whose response must have this status.
fn expect(world: &World, request: &Request, signed: bool, status: u16) -> Option<Value> {
    let Answer { response, .. } = ask(world, request, signed, PANEL_TIMEOUT)?;
    if response.status != status {
        world.violated(&format!("expected {status}, got {} {}: {}", response.status, response.text(), head(request)));
    }
    Some(response.json())
}

/// Continuously checks the status, the gate, and the cache file.
pub fn watch(world: &World, daemon: &Daemon<'_>) {
    while !world.is_over() {
        if let Some(Answer { begun, response }) = ask(world, &Request::get("/license/status"), false, MEMORY_TIMEOUT) {
            let body = response.json();
            let text = |name: &str| body[name].as_str().map(str::to_owned);
            let [state, source, cache] = ["state", "source", "cache"].map(|name| text(name).unwrap_or_default());
            if body["valid"] != (state != "restricted") || body["accounts_used"].as_u64() > Some(MAX_ACCOUNTS) {
                world.violated(&format!("inconsistent status: {body}"));
            }
            world.observe(&Observation::Status { state, source, reason: text("reason"), cache }, begun);
        }
        // A known operation that this version does not implement: the response depends only on the gate.
        let _ = writes(world, "/email/create", &json!({}), MEMORY_TIMEOUT).map(|(status, body)| {
            if status != 501 {
                world.violated(&format!("expected 501, got {status} {body}"));
            }
        });
        if !daemon.is_cache_intact() {
            world.violated("the cache file is damaged");
        }
        pause(Duration::from_millis(20));
    }
}

/// Sends reads, which do not depend on the license, and requests verification of the license.
pub fn read(world: &World, random: &mut Random) {
    let post = |path: &str, body: Value| Request::post(path).body(body.to_string());
    while !world.is_over() {
        match random.below(8) {
            0 => expect(world, &Request::get("/health"), false, 200),
            1 => expect(world, &Request::get("/metrics/realtime"), false, 200),
            2 => expect(world, &Request::get("/accounts"), true, 200),
            3 => expect(world, &post("/analytics/live", json!({})), true, 501),
            4 => expect(world, &post("/php/list-versions", json!({})), true, 200),
            5 => expect(world, &post("/ssl/status", json!({"domain": "absent.example"})), true, 200),
            6 => expect(world, &Request::get("/license/statuses"), true, 404),
            _ => expect(world, &Request::post("/license/reverify"), true, 200),
        };
        pause(Duration::from_millis(random.within(10..200)));
    }
}

/// Sends a write: the status and body if it passed the gate; none if it was interrupted or refused.
fn writes(world: &World, path: &str, body: &Value, within: Duration) -> Option<(u16, Value)> {
    let request = Request::post(path).body(body.to_string());
    let Answer { begun, response } = ask(world, &request, true, within)?;
    let body = response.json();
    if response.status == 403 && body["error"] == "license_required" {
        world.observe(&Observation::Refused(body["reason"].as_str().unwrap_or_default().to_owned()), begun);
        return None;
    }
    world.observe(&Observation::Passed, begun);
    Some((response.status, body))
}

/// Creates, changes and deletes accounts, one after the other.
pub fn host(world: &World, name: &str, root: &Path) {
    for number in 0.. {
        if world.is_over() || world.is_calm() {
            return;
        }
        let account =
            Account { world, root, username: format!("{name}{number}"), domain: format!("{name}{number}.example") };
        account.run();
    }
}

struct Account<'a> {
    world: &'a World,
    root: &'a Path,
    username: String,
    domain: String,
}

impl Account<'_> {
    fn run(&self) {
        if !self.create() {
            return;
        }
        let (username, domain) = (&self.username, &self.domain);
        let suspend = |action: &str| json!({"username": username, "domains": [domain], "action": action});
        let request = |path: &str, body: Value| Request::post(path).body(body.to_string());
        let tail = json!({"domain": domain, "username": username, "log_type": "access", "offset": 0});
        let _ = expect(self.world, &request("/ssl/status", json!({"domain": domain})), true, 200);
        let _ = expect(self.world, &request("/logs/tail", tail), true, 200);
        self.perform("/account/suspend", &suspend("suspend"), &[200]);
        self.check_suspended(true);
        self.perform("/account/password", &json!({"username": username, "password": "Soaking-Wet-1"}), &[200]);
        self.perform("/account/suspend", &suspend("unsuspend"), &[200]);
        self.check_suspended(false);
        let stats = json!({"username": username, "domains": [domain], "databases": []});
        let _ = expect(self.world, &request("/stats/account", stats), true, 200);
        self.delete();
    }

    /// Repeats a write until it gets a response, whose status must be one of these, or 404 if an interrupted request
    /// had already succeeded.
    fn perform(&self, path: &str, body: &Value, expected: &[u16]) -> u16 {
        let mut repeated = false;
        while !self.world.is_over() {
            match writes(self.world, path, body, PANEL_TIMEOUT) {
                Some((status, _)) if expected.contains(&status) || (repeated && status == 404) => {
                    self.world.count("operations done");
                    return status;
                }
                Some((status, answer)) => {
                    self.world.violated(&format!("{path} for {}: {status} {answer}", self.username))
                }
                None => repeated = true,
            }
            pause(Duration::from_millis(100));
        }
        0
    }

    /// Creates the account; false if the license did not allow it.
    fn create(&self) -> bool {
        match self.perform("/domains/create", &site(&self.username, &self.domain), &[200, 403]) {
            200 => true,
            403 => {
                self.world.count("accounts refused by the license limit");
                pause(Duration::from_millis(500));
                false
            }
            _ => false,
        }
    }

    fn check_suspended(&self, suspended: bool) {
        let Some(accounts) = expect(self.world, &Request::get("/accounts"), true, 200) else { return };
        let mut all = accounts["accounts"].as_array().into_iter().flatten();
        let shown =
            all.find(|account| account["username"] == *self.username).map(|account| account["suspended"].clone());
        if shown != Some(json!(suspended)) {
            self.world.violated(&format!("{}: expected suspended {suspended} in {accounts}", self.username));
        }
    }

    fn delete(&self) {
        if self.perform("/account/delete", &json!({"username": self.username, "domains": [self.domain]}), &[200]) == 0 {
            return;
        }
        // Operations whose client was disconnected by a SIGKILL still finish by themselves.
        if !eventually(Duration::from_secs(20), || self.leftovers().is_empty()) {
            self.world.violated(&format!("left over from {}: {:?}", self.username, self.leftovers()));
        }
        self.world.count("accounts created and deleted");
    }
    /// Paths that contain the account's name, and user and group files that list it.
    fn leftovers(&self) -> Vec<PathBuf> {
        let all = Snapshot::of(self.root, &["/"]);
        let paths = all.paths_with(&self.username).into_iter().map(Path::to_path_buf);
        let registers = ["passwd", "shadow", "group", "gshadow"].map(|name| self.root.join("etc").join(name));
        let names_it = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default().contains(&self.username);
        paths.chain(registers.into_iter().filter(names_it)).collect()
    }
}
