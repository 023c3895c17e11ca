//! The verifier: the one thread that asks the license server, and the only one that changes what is known.
//!
//! It sleeps until a check is due, the standing changes by itself, or somebody asks for a check. What it finds it
//! publishes as one immutable [`State`] behind a lock that is never held during I/O.

mod memory;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use log::warn;
use ring::rand::{SecureRandom, SystemRandom};

use crate::license::cache;
use crate::license::client::{self, LicenseServer, Settings};
use crate::license::report;
use crate::license::state::{Check, Host, License, Reply, State, Wishes};
use opterius_base::clock::{Clock, Now, Timestamp};
use opterius_base::secret::Secret;
use opterius_license::address::{self, Discovered};
use opterius_license::identity;
use opterius_license::inquiry::Inquiry;
use opterius_license::model::{Denial, Grant, Record, Uptime, Verdict};
use opterius_license::outcome::{self, Answer, Failure, FailureClass, Outcome, Question};
use opterius_license::schedule::{self, Finished, Pending};
use opterius_license::signature::SignedBy;
use opterius_license::standing::Standing;

/// How many checks the status remembers.
const RECENT_CHECKS: usize = 10;
/// How often the machine time used is written down during grace, and the longest sleep: a clock that was set, or a
/// machine that was suspended, is noticed within this time.
const TICK: Duration = Duration::from_secs(600);
/// A public address is asked for at most this often, and as often as this when nobody told it.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(24 * 3600);
const DISCOVERY_RETRY: Duration = Duration::from_secs(3600);

/// The thread's own memory.
pub struct Verifier {
    license: Arc<License>,
    woken: Receiver<()>,
    clock: Arc<dyn Clock>,
    server: Box<dyn LicenseServer>,
    host: Host,
    settings: Arc<Settings>,
    random: SystemRandom,
    /// The last verdict, whichever key it was for: a key that is mistyped and put right again finds it here.
    record: Option<Record>,
    answer: Option<Answer>,
    address: Option<Discovered>,
    discovery_tried: Option<Duration>,
    set_aside: Option<Vec<u8>>,
    state: State,
    standing: Standing,
    failures: u32,
    pending: Pending,
    started: Option<Duration>,
    asked_for: bool,
    replies: Vec<Reply>,
    unwritten: bool,
    written_at: Duration,
    warned_of_older_key: Option<Duration>,
}

impl Verifier {
    /// A verifier that has read the cache and published what follows from it, but not asked anybody yet.
    pub fn new(
        license: Arc<License>,
        woken: Receiver<()>,
        clock: Arc<dyn Clock>,
        server: Box<dyn LicenseServer>,
        host: Host,
        settings: Arc<Settings>,
    ) -> Self {
        let now = clock.now();
        let state = State::new(host.boot_id.clone());
        let mut verifier = Self {
            standing: state.standing(now),
            license,
            woken,
            clock,
            server,
            host,
            settings,
            random: SystemRandom::new(),
            record: None,
            answer: None,
            address: None,
            discovery_tried: None,
            set_aside: None,
            state,
            failures: 0,
            pending: Pending { since: now, wait: Duration::ZERO, expires_at: None },
            started: None,
            asked_for: false,
            replies: Vec::new(),
            unwritten: false,
            written_at: now.boot,
            warned_of_older_key: None,
        };
        verifier.load_cache(now);
        verifier.publish(now);
        verifier.standing = verifier.state.standing(now);
        verifier
    }

    /// Runs until it is told to stop.
    pub fn run(mut self) {
        loop {
            // A disconnected channel cannot happen while we hold the handle; the time-out then still paces the loop.
            let _ = self.woken.recv_timeout(self.sleep(self.clock.now()));
            if self.take_wishes() {
                return;
            }
            self.notice_time(self.clock.now());
            if self.is_due(self.clock.now()) {
                self.check();
            }
        }
    }

    /// How long there is nothing to do.
    fn sleep(&self, now: Now) -> Duration {
        if self.started.is_none() {
            return Duration::ZERO;
        }
        let due = match (&self.settings.key, self.asked_for) {
            (_, true) => self.spacing(now),
            (Some(_), false) => schedule::due_in(&self.pending, now),
            (None, false) => TICK,
        };
        due.min(self.state.lasts(&self.standing, now).unwrap_or(TICK)).min(TICK)
    }

    fn is_due(&self, now: Now) -> bool {
        if self.asked_for {
            return self.spacing(now).is_zero();
        }
        (self.settings.key.is_some() && schedule::due_in(&self.pending, now).is_zero()) || self.started.is_none()
    }

    /// What is left of the least time between two checks.
    fn spacing(&self, now: Now) -> Duration {
        self.started
            .map_or(Duration::ZERO, |started| schedule::SPACING.saturating_sub(now.boot.saturating_sub(started)))
    }

    /// Takes over what others asked for; true is the end.
    fn take_wishes(&mut self) -> bool {
        let Wishes { settings, check, mut replies, stop } = self.license.take_wishes();
        self.asked_for |= check;
        self.replies.append(&mut replies);
        if let Some(settings) = settings {
            self.change_settings(settings);
        }
        stop
    }

    fn change_settings(&mut self, settings: Arc<Settings>) {
        let before = std::mem::replace(&mut self.settings, settings);
        if before.key != self.settings.key {
            self.state.confirmed = false;
            self.state.failure = None;
            self.failures = 0;
            self.set_aside(before.key.as_ref());
            if self.counting_record().is_none() {
                self.load_cache(self.clock.now());
            }
        }
        if before.trusted != self.settings.trusted {
            self.distrust();
        }
        self.unwritten |= before.cache != self.settings.cache;
        self.publish(self.clock.now());
    }

    /// Other public keys: what was believed counts only if they bear it out.
    fn distrust(&mut self) {
        let fingerprint = self.fingerprint();
        let Some(key) = &self.settings.key else { return };
        let Some(record) = self.record.take() else { return };
        let question = question(key, &fingerprint, &self.host, &self.settings);
        let confirmed = if self.settings.trusted.is_empty() {
            Ok(record)
        } else {
            cache::confirm(record, self.answer.as_ref(), &question)
        };
        match confirmed {
            Ok(record) => self.record = Some(record),
            Err(cause) => warn!("The license known so far does not count any more: {cause}"),
        }
        self.state.confirmed = false;
    }

    /// Time alone may change the standing, and the machine time used is to be written down now and then.
    fn notice_time(&mut self, now: Now) {
        let standing = self.state.standing(now);
        let changed = standing.differs(&self.standing);
        let grace_to_write =
            matches!(standing, Standing::Grace { .. }) && now.boot.saturating_sub(self.written_at) >= TICK;
        let retry = self.unwritten && now.boot.saturating_sub(self.written_at) >= TICK;
        self.standing = standing;
        if changed {
            report::standing(&self.standing, &self.state);
        }
        if changed || grace_to_write || retry {
            self.write_cache(now);
            self.publish(now);
        }
    }

    /// One verification, from the question to everything that follows.
    fn check(&mut self) {
        self.asked_for = false;
        self.started = Some(self.clock.now().boot);
        if let Some(key) = self.settings.key.clone() {
            let outcome = self.verify(&key);
            self.plan_next(&outcome);
        }
        self.state.checks_ended = self.state.checks_ended.saturating_add(1);
        let now = self.clock.now();
        let standing = self.state.standing(now);
        let to_write = self.unwritten || standing.differs(&self.standing);
        self.standing = standing;
        report::standing(&self.standing, &self.state);
        if to_write {
            self.write_cache(now);
        }
        self.publish(now);
        let state = self.license.state();
        for reply in self.replies.drain(..) {
            reply(Some(&state));
        }
    }

    fn verify(&mut self, key: &Secret) -> Outcome {
        let fingerprint = self.fingerprint();
        let settings = Arc::clone(&self.settings);
        let server_ip = self.server_ip(self.clock.now());
        let answered = match identity::nonce(&self.random) {
            None => Err(Failure::new(FailureClass::Network, "the kernel gave no random number")),
            Some(nonce) => {
                let inquiry = Inquiry {
                    key: key.expose(),
                    server_ip,
                    agent_version: env!("CARGO_PKG_VERSION"),
                    os: &self.host.os,
                    hostname: &self.host.hostname,
                    server_id: &self.host.server_id,
                    nonce: &nonce,
                };
                self.server.ask(&settings, &inquiry).map(|answer| (answer, nonce))
            }
        };
        let now = self.clock.now();
        let outcome = match answered {
            Err(failure) => Outcome::Inconclusive(failure),
            Ok((answer, nonce)) => {
                let question = question(key, &fingerprint, &self.host, &settings);
                let reading = outcome::read(&answer, &Question { nonce: Some(&nonce), ..question });
                self.warn_of_key(reading.signed_by, now);
                let at = reading.issued_at.unwrap_or(now.wall);
                self.learn(&reading.outcome, answer, &fingerprint, at, now);
                reading.outcome
            }
        };
        if let Outcome::Inconclusive(failure) = &outcome {
            self.state.confirmed = false;
            self.state.failure = Some(failure.clone());
            self.failures = self.failures.saturating_add(1);
        }
        self.remember_check(&outcome, now);
        outcome
    }

    /// A verdict replaces the record; a grant before it is kept for its plan and limits.
    fn learn(&mut self, outcome: &Outcome, answer: Answer, fingerprint: &str, at: Timestamp, now: Now) {
        let verdict = match outcome.clone() {
            Outcome::Inconclusive(_) => return,
            Outcome::Granted { terms, message } => Verdict::Granted(Grant { terms, message, at }),
            Outcome::Denied { reason, message, terms } => {
                let previous = self.counting_record().and_then(|record| record.verdict.last_grant().cloned());
                Verdict::Denied(Denial { reason, message, terms, at, previous })
            }
        };
        self.let_go_of_set_aside(&verdict);
        self.record = Some(Record {
            verdict,
            uptime: Uptime::start(&self.host.boot_id, now),
            key_sha256: fingerprint.to_owned(),
            server_id: self.host.server_id.clone(),
        });
        self.answer = Some(answer);
        self.state.confirmed = true;
        self.state.failure = None;
        self.failures = 0;
        self.unwritten = true;
        report::clock(at, now.wall);
    }

    fn plan_next(&mut self, outcome: &Outcome) {
        let now = self.clock.now();
        self.state.record = self.counting_record();
        let expires_at = self.state.record.as_ref().and_then(|record| record.verdict.last_grant()?.terms.expires_at);
        let standing = self.state.standing(now);
        let finished = Finished {
            outcome,
            standing: &standing,
            expires_at,
            failures: self.failures,
            offset: schedule::offset(&self.host.server_id),
            random: self.fraction(),
        };
        self.pending = Pending { since: now, wait: schedule::wait(&finished, now), expires_at };
    }

    fn remember_check(&mut self, outcome: &Outcome, now: Now) {
        let verdict = match outcome {
            Outcome::Granted { .. } => "granted".to_owned(),
            Outcome::Denied { reason, .. } => format!("denied: {reason}"),
            Outcome::Inconclusive(failure) => format!("unreachable: {failure}"),
        };
        *self.state.checks.entry(outcome.word()).or_default() += 1;
        self.state.recent_checks.truncate(RECENT_CHECKS.saturating_sub(1));
        self.state.recent_checks.push_front(Check { at: now.wall, verdict });
        self.state.last_checked_at = Some(now.wall);
    }

    /// The address to report: configured; else the one of the default route, if it is public; else the one we are seen
    /// as, asked for at most once a day; else the last one known; never one that names no host.
    fn server_ip(&mut self, now: Now) -> Option<IpAddr> {
        if self.settings.server_ip.is_some() {
            return self.settings.server_ip;
        }
        let source = address::source_address(client::default_route());
        if let Some(address) = source.filter(|address| address::is_public(*address)) {
            return Some(address);
        }
        let fresh =
            self.address.is_some_and(|known| known.at <= now.wall && now.wall.since(known.at) < DISCOVERY_INTERVAL);
        let tried = self.discovery_tried.is_some_and(|at| now.boot.saturating_sub(at) < DISCOVERY_RETRY);
        if !fresh && !tried {
            self.discovery_tried = Some(now.boot);
            let discovered = self.server.discover(&Arc::clone(&self.settings));
            self.address = discovered.map(|address| Discovered { address, at: now.wall }).or(self.address);
        }
        self.address.map(|known| known.address)
    }

    /// The record, if it is about the configured key.
    fn counting_record(&self) -> Option<Record> {
        let fingerprint = self.fingerprint();
        self.record.clone().filter(|record| record.key_sha256 == fingerprint)
    }

    fn publish(&mut self, now: Now) {
        self.state.has_key = self.settings.key.is_some();
        self.state.record = self.counting_record();
        let next = self.settings.key.as_ref().map(|_| now.wall.plus(schedule::due_in(&self.pending, now)));
        self.state.next_check_at = next;
        self.state.generation = self.state.generation.wrapping_add(1);
        self.license.publish(Arc::new(self.state.clone()));
    }

    fn warn_of_key(&mut self, signed_by: Option<SignedBy>, now: Now) {
        let warned = self.warned_of_older_key.is_some_and(|at| now.boot.saturating_sub(at) < schedule::INTERVAL);
        if signed_by == Some(SignedBy::OlderKey) && !warned {
            warn!(
                "The license server's answer is signed with an older key only: update the Agent or license_public_key"
            );
            self.warned_of_older_key = Some(now.boot);
        }
    }

    fn fingerprint(&self) -> String {
        self.settings.key.as_ref().map(identity::key_fingerprint).unwrap_or_default()
    }

    /// A random number from 0 to 1.
    fn fraction(&self) -> f64 {
        let mut bytes = [0; 4];
        match self.random.fill(&mut bytes) {
            Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
            Err(_) => 1.0,
        }
    }
}

fn question<'a>(key: &'a Secret, key_sha256: &'a str, host: &'a Host, settings: &'a Settings) -> Question<'a> {
    Question { key, key_sha256, server_id: &host.server_id, nonce: None, trusted: &settings.trusted }
}
