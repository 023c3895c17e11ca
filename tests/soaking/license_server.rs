//! The license server of a phase: yes, no, nonsense and silence, and what each means to the model.

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

/// What the license server says to every question.
#[derive(Clone, Debug)]
enum Mode {
    Granted,
    /// Until so many seconds from now on the Agent's wall clock.
    Expiring(i64),
    /// With a Date so many seconds before now.
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
    /// It grants from the start. `world` is told of each question and its answer before the Agent is.
    pub fn new(world: &'a Arc<World>) -> TestLicenseServer<'a> {
        let server = FakeLicenseServer::start();
        let mode = Arc::new(Mutex::new((Mode::Granted, 0)));
        let (told, said) = (Arc::clone(world), Arc::clone(&mode));
        server.reply_with(move |received| {
            // As far away as a license server is: what the Agent goes by until it is answered is seen.
            pause(Duration::from_millis(u64::from(clock_gettime(ClockId::Realtime).tv_nsec as u32 / 1_000_000 % 500)));
            let (mode, since) = said.lock().unwrap().clone();
            let (reply, outcome) = mode.answer(since);
            told.received(life(received), outcome);
            reply
        });
        TestLicenseServer { world, server, mode }
    }

    /// Says something else from now on, or is not there.
    pub fn turns(&self, random: &mut Random) {
        self.world.count("license flips");
        let mode = match random.below(16) {
            0..5 => Mode::Granted,
            5 | 6 => Mode::Expiring(random.within(1..6).cast_signed()),
            7 => Mode::Late(GRACE - random.within(2..20).cast_signed()),
            8..11 => Mode::Denied(random.one_of(&[200, 401, 403, 404, 410]), random.one_of(&REASONS)),
            11..14 => Mode::Nonsense(nonsense(random)),
            _ => return self.is_there(false),
        };
        self.says(mode);
    }

    /// Grants, and can be reached.
    pub fn grants(&self) {
        self.says(Mode::Granted);
    }

    fn says(&self, mode: Mode) {
        let now = self.world.lock().now().wall.0;
        *self.mode.lock().unwrap() = (mode, now);
        self.is_there(true);
    }

    fn is_there(&self, there: bool) {
        let mut inner = self.world.lock();
        if inner.reachable == there {
            return;
        }
        let now = inner.now();
        // The Agent may learn of it at once, and never before the model.
        inner.reachable = there;
        inner.belief.reachable(there, now);
        drop(inner);
        if there {
            self.server.resume();
        } else {
            self.server.pause();
            self.world.count("outages");
        }
    }
}

impl Mode {
    /// The answer and what it means; `since` is when the mode began on the Agent's wall clock.
    fn answer(&self, since: i64) -> (Reply, Outcome) {
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

/// An answer that says nothing about the license.
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

/// The number of the Agent's process, which it has as its address.
fn life(received: &ReceivedRequest) -> u64 {
    let address = received.json.as_ref().and_then(|question| question["server_ip"].as_str()).unwrap_or_default();
    let parts: Vec<u64> = address.split('.').filter_map(|part| part.parse().ok()).collect();
    parts[2] * 256 + parts[3]
}

fn date(at: i64) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(at.cast_unsigned()))
}
