//! The license server of a phase: grants, denials, nonsense and outages, and their effect on the model.

use crate::model::{Outcome, Verdict};
use crate::random::Random;
use crate::support::fake_license_server::{Behavior, FakeLicenseServer, ReceivedRequest, Reply, SigningKey};
use crate::support::pause;
use crate::world::World;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How many accounts the license allows.
pub const MAX_ACCOUNTS: u64 = 2;

const REASONS: [&str; 6] =
    ["invalid_key", "cancelled", "suspended", "server_ip_mismatch", "server_limit_reached", "a new one"];

/// How the license server responds to every request.
#[derive(Clone, Debug)]
enum Mode {
    Granted,
    /// Grants a license that expires this many seconds later on its clock.
    Expiring(i64),
    Denied(u16, &'static str),
    Nonsense(Reply),
}

pub struct TestLicenseServer<'a> {
    world: &'a World,
    pub server: FakeLicenseServer,
    /// The key that its answers are signed with; empty if they are not.
    pub public_key: String,
    state: Arc<Mutex<ServerState>>,
}

struct ServerState {
    mode: Mode,
    /// When the mode started, in real time.
    since: i64,
    /// How far its clock is ahead, in seconds.
    ahead: i64,
}

impl<'a> TestLicenseServer<'a> {
    /// A license server that grants, with signed answers or without. It reports each request and response to `world` before it sends the response.
    pub fn new(world: &'a Arc<World>, signed: bool) -> TestLicenseServer<'a> {
        let server = FakeLicenseServer::start();
        let state = Arc::new(Mutex::new(ServerState { mode: Mode::Granted, since: real_time(), ahead: 0 }));
        let (observer, current) = (Arc::clone(world), Arc::clone(&state));
        let key = signed.then(SigningKey::generate);
        let public_key = key.as_ref().map(SigningKey::public_base64).unwrap_or_default();
        server.reply_with(move |received| {
            // Simulate network latency, so that the Agent's state during a check is observed.
            pause(Duration::from_millis(u64::from(clock_gettime(ClockId::Realtime).tv_nsec as u32 / 1_000_000 % 500)));
            let (reply, outcome) = current.lock().unwrap().respond(received, key.as_ref());
            observer.received(life(received), outcome);
            reply
        });
        TestLicenseServer { world, server, public_key, state }
    }

    /// Sets its clock.
    pub fn set_clock(&self, ahead: i64) {
        self.state.lock().unwrap().ahead = ahead;
    }

    /// Switches to a random mode or starts an outage.
    pub fn change_mode(&self, random: &mut Random) {
        self.world.count("license server mode changes");
        let mode = match random.below(16) {
            0..5 => Mode::Granted,
            5 | 6 => Mode::Expiring(random.within(1..6).cast_signed()),
            7..11 => Mode::Denied(random.one_of(&[200, 401, 403, 404, 410]), random.one_of(&REASONS)),
            11..14 => Mode::Nonsense(nonsense(random)),
            _ => return self.set_reachable(false),
        };
        self.set_mode(mode);
    }

    /// Becomes reachable and grants.
    pub fn grants(&self) {
        self.set_mode(Mode::Granted);
    }

    fn set_mode(&self, mode: Mode) {
        let mut state = self.state.lock().unwrap();
        (state.mode, state.since) = (mode, real_time());
        drop(state);
        self.set_reachable(true);
    }

    fn set_reachable(&self, reachable: bool) {
        let mut inner = self.world.lock();
        if inner.reachable == reachable {
            return;
        }
        let now = inner.now();
        // Update the model first: the Agent can notice the change immediately.
        inner.reachable = reachable;
        inner.belief.reachable(reachable, now);
        drop(inner);
        if reachable {
            self.server.resume();
        } else {
            self.server.pause();
            self.world.count("outages");
        }
    }
}

impl ServerState {
    /// The response to a request, and its meaning.
    fn respond(&self, received: &ReceivedRequest, key: Option<&SigningKey>) -> (Reply, Outcome) {
        let at = real_time() + self.ahead;
        let (status, body, verdict) = match &self.mode {
            Mode::Granted => (200, granted(None), Verdict::Granted { at, until: None }),
            Mode::Expiring(seconds) => {
                let until = Some(self.since + self.ahead + seconds);
                (200, granted(until), Verdict::Granted { at, until })
            }
            Mode::Denied(status, reason) => {
                let body = json!({"valid": false, "reason": reason, "message": "No."});
                (*status, body, Verdict::Denied { reason: (*reason).to_owned() })
            }
            Mode::Nonsense(reply) => return (reply.clone(), None),
        };
        let reply = match key {
            None => Reply::json(status, body).header("Date", &date(at)),
            Some(key) => Reply::json(status, bound_to(received, body, at)).signed(key),
        };
        (reply, Some(verdict))
    }
}

/// The body with what a signed answer repeats of its request.
fn bound_to(received: &ReceivedRequest, mut body: Value, at: i64) -> Value {
    let question = received.json.as_ref().unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, question["key"].as_str().unwrap().as_bytes());
    body["key_sha256"] = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    body["issued_at"] = OffsetDateTime::from_unix_timestamp(at).unwrap().format(&Rfc3339).unwrap().into();
    for member in ["nonce", "server_id"] {
        body[member] = question[member].clone();
    }
    body
}

fn real_time() -> i64 {
    clock_gettime(ClockId::Realtime).tv_sec
}

fn granted(until: Option<i64>) -> Value {
    let until = until.map(|until| OffsetDateTime::from_unix_timestamp(until).unwrap().format(&Rfc3339).unwrap());
    json!({"valid": true, "plan": "soak", "max_accounts": MAX_ACCOUNTS, "max_servers": 1, "expires_at": until})
}

/// A response that is not a verdict.
fn nonsense(random: &mut Random) -> Reply {
    let yes = || Reply::json(200, granted(None));
    match random.below(12) {
        0 => Reply::raw(500, "Internal Server Error"),
        1 => Reply::raw(503, "").header("Retry-After", "1"),
        2 => Reply::json(429, json!({"valid": false, "reason": "suspended"})),
        3 => Reply::raw(200, "<html><title>Sign in to the Wi-Fi</title></html>").header("Content-Type", "text/html"),
        4 => Reply::raw(302, "").header("Location", "https://portal.example/"),
        5 => Reply::json(200, json!({"valid": true, "plan": "soak"})),
        6 => Reply::json(200, json!({"valid": "false", "reason": "suspended"})),
        7 => Reply::raw(200, (0..64).map(|_| random.next() as u8).collect::<Vec<u8>>()),
        8 => Reply::raw(200, " ".repeat(64 * 1024) + &granted(None).to_string()),
        9 => yes().behavior(Behavior::CloseAtOnce),
        10 => yes().behavior(Behavior::Reset),
        _ => yes().behavior(Behavior::Hang),
    }
}

/// The number of the Agent's process, which is encoded in its address.
fn life(received: &ReceivedRequest) -> u64 {
    let address = received.json.as_ref().and_then(|question| question["server_ip"].as_str()).unwrap_or_default();
    let parts: Vec<u64> = address.split('.').filter_map(|part| part.parse().ok()).collect();
    parts[2] * 256 + parts[3]
}

fn date(at: i64) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(at.cast_unsigned()))
}
