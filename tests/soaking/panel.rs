//! The good client: a Panel's mixed load. Each of its requests is answered as it should be, but those that a SIGKILL cuts.

use crate::daemon::Daemon;
use crate::license_server::MAX_ACCOUNTS;
use crate::model::Seen;
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

/// What the Panel waits for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is answered from memory is answered within this time, on a loaded machine.
const AT_ONCE: Duration = Duration::from_secs(8);

/// One answer, and when it was asked for.
struct Answer {
    begun: Begun,
    response: Response,
}

/// Asks once; none when a SIGKILL has cut it, when the clock was set meanwhile, or when the phase is over.
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
        Err(_) if world.was_killed(begun) => world.count("good requests cut by SIGKILL"),
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

/// One whose answer must have this status.
fn reads(world: &World, request: &Request, signed: bool, status: u16) -> Option<Value> {
    let Answer { response, .. } = ask(world, request, signed, PATIENCE)?;
    if response.status != status {
        world.violated(&format!(
            "{status} was to come, not {} {}: {}",
            response.status,
            response.text(),
            head(request)
        ));
    }
    Some(response.json())
}

/// Looks at the status all the time, at the gate, and at the cache as the Panel does.
pub fn watch(world: &World, daemon: &Daemon<'_>) {
    while !world.is_over() {
        if let Some(Answer { begun, response }) = ask(world, &Request::get("/license/status"), false, AT_ONCE) {
            let body = response.json();
            let text = |name: &str| body[name].as_str().map(str::to_owned);
            let [state, source, cache] = ["state", "source", "cache"].map(|name| text(name).unwrap_or_default());
            if body["valid"] != (state != "restricted") || body["accounts_used"].as_u64() > Some(MAX_ACCOUNTS) {
                world.violated(&format!("not a status: {body}"));
            }
            world.sees(&Seen::Status { state, source, reason: text("reason"), cache }, begun);
        }
        // It is known, and it is not done by this version: whether it passes is the gate's alone.
        let _ = writes(world, "/databases/create", &json!({}), AT_ONCE).map(|(status, body)| {
            if status != 501 {
                world.violated(&format!("501 was to come, not {status} {body}"));
            }
        });
        if !daemon.cache_is_whole() {
            world.violated("the cache file is not whole");
        }
        pause(Duration::from_millis(20));
    }
}

/// Reads what is read whatever the license, and has the license verified.
pub fn read(world: &World, random: &mut Random) {
    let post = |path: &str, body: Value| Request::post(path).body(body.to_string());
    while !world.is_over() {
        match random.below(8) {
            0 => reads(world, &Request::get("/health"), false, 200),
            1 => reads(world, &Request::get("/metrics/realtime"), false, 200),
            2 => reads(world, &Request::get("/accounts"), true, 200),
            3 => reads(world, &post("/backup/list", json!({})), true, 501),
            4 => reads(world, &post("/php/list-versions", json!({})), true, 200),
            5 => reads(world, &post("/ssl/status", json!({"domain": "nobody.example"})), true, 200),
            6 => reads(world, &Request::get("/license/statuses"), true, 404),
            _ => reads(world, &Request::post("/license/reverify"), true, 200),
        };
        pause(Duration::from_millis(random.within(10..200)));
    }
}

/// A write that passes the gate: its status and answer. None when it was cut or refused.
fn writes(world: &World, path: &str, body: &Value, within: Duration) -> Option<(u16, Value)> {
    let request = Request::post(path).body(body.to_string());
    let Answer { begun, response } = ask(world, &request, true, within)?;
    let body = response.json();
    if response.status == 403 && body["error"] == "license_required" {
        world.sees(&Seen::Refused(body["reason"].as_str().unwrap_or_default().to_owned()), begun);
        return None;
    }
    world.sees(&Seen::Passed, begun);
    Some((response.status, body))
}

/// Accounts, one after the other, from their creation to their end.
pub fn host(world: &World, name: &str, root: &Path) {
    for number in 0.. {
        if world.is_over() || world.is_calm() {
            return;
        }
        let account =
            Account { world, root, username: format!("{name}{number}"), domain: format!("{name}{number}.example") };
        account.lives();
    }
}

struct Account<'a> {
    world: &'a World,
    root: &'a Path,
    username: String,
    domain: String,
}

impl Account<'_> {
    fn lives(&self) {
        if !self.is_created() {
            return;
        }
        let (username, domain) = (&self.username, &self.domain);
        let suspend = |action: &str| json!({"username": username, "domains": [domain], "action": action});
        let request = |path: &str, body: Value| Request::post(path).body(body.to_string());
        let tail = json!({"domain": domain, "username": username, "log_type": "access", "offset": 0});
        let _ = reads(self.world, &request("/ssl/status", json!({"domain": domain})), true, 200);
        let _ = reads(self.world, &request("/logs/tail", tail), true, 200);
        self.does("/account/suspend", &suspend("suspend"), &[200]);
        self.is_suspended(true);
        self.does("/account/password", &json!({"username": username, "password": "Soaking-Wet-1"}), &[200]);
        self.does("/account/suspend", &suspend("unsuspend"), &[200]);
        self.is_suspended(false);
        let stats = json!({"username": username, "domains": [domain], "databases": []});
        let _ = reads(self.world, &request("/stats/account", stats), true, 200);
        self.is_deleted();
    }

    /// Repeats it until it is answered; the status is one of these then, or 404 where a cut one has done it.
    fn does(&self, path: &str, body: &Value, expected: &[u16]) -> u16 {
        let mut repeated = false;
        while !self.world.is_over() {
            match writes(self.world, path, body, PATIENCE) {
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

    /// Whether there was room for it.
    fn is_created(&self) -> bool {
        match self.does("/domains/create", &site(&self.username, &self.domain), &[200, 403]) {
            200 => true,
            403 => {
                self.world.count("accounts beyond the license");
                pause(Duration::from_millis(500));
                false
            }
            _ => false,
        }
    }

    fn is_suspended(&self, suspended: bool) {
        let Some(accounts) = reads(self.world, &Request::get("/accounts"), true, 200) else { return };
        let mut all = accounts["accounts"].as_array().into_iter().flatten();
        let shown =
            all.find(|account| account["username"] == *self.username).map(|account| account["suspended"].clone());
        if shown != Some(json!(suspended)) {
            self.world.violated(&format!("{}: suspended {suspended} was to come in {accounts}", self.username));
        }
    }

    fn is_deleted(&self) {
        if self.does("/account/delete", &json!({"username": self.username, "domains": [self.domain]}), &[200]) == 0 {
            return;
        }
        // What a SIGKILL has cut off from its client comes to its end by itself.
        if !eventually(Duration::from_secs(20), || self.what_is_left().is_empty()) {
            self.world.violated(&format!("left of {}: {:?}", self.username, self.what_is_left()));
        }
        self.world.count("accounts lived");
    }
    /// Each path that has its name, or a line in a register.
    fn what_is_left(&self) -> Vec<PathBuf> {
        let all = Snapshot::of(self.root, &["/"]);
        let paths = all.paths_with(&self.username).into_iter().map(Path::to_path_buf);
        let registers = ["passwd", "shadow", "group", "gshadow"].map(|name| self.root.join("etc").join(name));
        let names_it = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default().contains(&self.username);
        paths.chain(registers.into_iter().filter(names_it)).collect()
    }
}
