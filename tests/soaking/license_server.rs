//! The license server of a phase: grants, denials, nonsense and outages, and their effect on the model.

use crate::model::{Outcome, Verdict};
use crate::random::Random;
use crate::support::fake_license_server::{Behavior, FakeLicenseServer, ReceivedRequest, Reply};
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

/// 48 hours.
const GRACE: i64 = 48 * 3600;

const REASONS: [&str; 6] =
    ["invalid_key", "cancelled", "suspended", "server_ip_mismatch", "server_limit_reached", "a new one"];

/// How the license server responds to every request.
#[derive(Clone, Debug)]
enum Mode {
    Granted,
    /// Grants a license that expires this many seconds later on the Agent's wall clock.
    Expiring(i64),
    /// Grants with a Date this many seconds in the past.
    Late(i64),
    Denied(u16, &'static str),
    Nonsense(Reply),
}

pub struct TestLicenseServer<'a> {
    world: &'a World,
    pub server: FakeLicenseServer,
    mode: Arc<Mutex<(Mode, i64)>>,
}

impl<'a> TestLicenseServer<'a> {
    /// A license server that grants. It reports each request and response to `world` before it sends the response.
    pub fn new(world: &'a Arc<World>) -> TestLicenseServer<'a> {
        let server = FakeLicenseServer::start();
        let mode = Arc::new(Mutex::new((Mode::Granted, 0)));
        let (observer, current_mode) = (Arc::clone(world), Arc::clone(&mode));
        server.reply_with(move |received| {
            // Simulate network latency, so that the Agent's state during a check is observed.
            pause(Duration::from_millis(u64::from(clock_gettime(ClockId::Realtime).tv_nsec as u32 / 1_000_000 % 500)));
            let (mode, since) = current_mode.lock().unwrap().clone();
            let (reply, outcome) = mode.respond(since);
            observer.received(life(received), outcome);
            reply
        });
        TestLicenseServer { world, server, mode }
    }

    /// Switches to a random mode or starts an outage.
    pub fn change_mode(&self, random: &mut Random) {
        self.world.count("license server mode changes");
        let mode = match random.below(16) {
            0..5 => Mode::Granted,
            5 | 6 => Mode::Expiring(random.within(1..6).cast_signed()),
            7 => Mode::Late(GRACE - random.within(2..20).cast_signed()),
            8..11 => Mode::Denied(random.one_of(&[200, 401, 403, 404, 410]), random.one_of(&REASONS)),
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
        let now = self.world.lock().now().wall.0;
        *self.mode.lock().unwrap() = (mode, now);
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

impl Mode {
    /// The response and its meaning; `since` is when the mode started, on the Agent's wall clock.
    fn respond(&self, since: i64) -> (Reply, Outcome) {
        let now = clock_gettime(ClockId::Realtime).tv_sec;
        let grant = |until: Option<i64>, at: i64| {
            let reply = Reply::json(200, granted(until)).header("Date", &date(at));
            (reply, Some(Verdict::Granted { at, until }))
        };
        match self {
            Mode::Granted => grant(None, now),
            Mode::Expiring(seconds) => grant(Some(since + seconds), now),
            Mode::Late(seconds) => grant(None, now - seconds),
            Mode::Denied(status, reason) => {
                let body = json!({"valid": false, "reason": reason, "message": "No."});
                (Reply::json(*status, body), Some(Verdict::Denied { reason: (*reason).to_owned() }))
            }
            Mode::Nonsense(reply) => (reply.clone(), None),
        }
    }
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
