//! The verifier: the only thread that contacts the license server and changes the license state.
//!
//! It sleeps until a check is due, the standing changes with time, or another thread requests a check. It publishes the
//! result as one immutable [`State`], behind a lock that is never held during I/O.
//!
//! This file is the main loop. `check_timer` decides when a check is due, [`LicenseIdentity`] sends it, `verdict_store`
//! keeps the verdict (`write_back`: when to write it to disk; `previous_key`: the verdict on the previous key),
//! `public_address` finds the address to report, `key_warning` warns about an old signing key, and `clients` connects the
//! other threads.

mod check_timer;
mod clients;
mod key_warning;
mod previous_key;
mod public_address;
mod verdict_store;
mod write_back;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use log::{error, warn};
use ring::rand::{SecureRandom, SystemRandom};

use self::check_timer::CheckTimer;
use self::clients::Clients;
use self::key_warning::KeyWarning;
use self::public_address::PublicAddress;
use self::verdict_store::VerdictStore;
use crate::license::cache::CachedStatus;
use crate::license::client::{LicenseConfig, LicenseServer};
use crate::license::license_identity::LicenseIdentity;
use crate::license::log_lines;
use crate::license::state::{HostIdentity, License, PendingRequests, State};
use opterius_base::clock::{Clock, Now};
use opterius_license::model::Record;
use opterius_license::outcome::Outcome;
use opterius_license::standing::Standing;

/// The longest sleep: the verifier notices a changed clock or a resumed machine within this time.
const LONGEST_SLEEP: Duration = write_back::INTERVAL;

/// The state of the verifier thread.
pub struct Verifier {
    clients: Clients,
    clock: Arc<dyn Clock>,
    random: SystemRandom,
    server: Box<dyn LicenseServer>,
    host: HostIdentity,
    config: Arc<LicenseConfig>,
    timer: CheckTimer,
    verdicts: VerdictStore,
    address: PublicAddress,
    key_warning: KeyWarning,
    /// The state to publish next.
    state: State,
    /// The standing at the last look.
    standing: Standing,
}

impl Verifier {
    /// A verifier that has loaded the cache and published the state from it, but not run a check yet.
    pub fn new(
        license: Arc<License>,
        woken: Receiver<()>,
        clock: Arc<dyn Clock>,
        server: Box<dyn LicenseServer>,
        host: HostIdentity,
        config: Arc<LicenseConfig>,
    ) -> Self {
        let now = clock.now();
        let state = State::new(host.boot_id.clone());
        let mut verifier = Self {
            clients: Clients::new(license, woken),
            clock,
            random: SystemRandom::new(),
            server,
            timer: CheckTimer::new(&host.server_id, now),
            host,
            config,
            verdicts: VerdictStore::new(now),
            address: PublicAddress::default(),
            key_warning: KeyWarning::default(),
            standing: state.standing(now),
            state,
        };
        verifier.load_cache(now);
        verifier.publish(now);
        verifier.update_standing(now);
        verifier
    }

    /// Runs until another thread requests a stop.
    pub fn run(mut self) {
        loop {
            self.clients.wait(self.sleep(self.clock.now()));
            if self.take_pending() {
                return;
            }
            self.handle_time(self.clock.now());
            if self.is_due(self.clock.now()) {
                self.check();
            }
        }
    }

    /// How long to sleep.
    fn sleep(&self, now: Now) -> Duration {
        let pending = [self.due_in(now), self.state.time_until_change(&self.standing, now)];
        pending.into_iter().flatten().fold(LONGEST_SLEEP, Duration::min)
    }

    fn is_due(&self, now: Now) -> bool {
        self.due_in(now).is_some_and(|wait| wait.is_zero())
    }

    fn due_in(&self, now: Now) -> Option<Duration> {
        self.timer.due_in(self.config.key.is_some(), now)
    }

    /// Handles requests from other threads; returns true to stop.
    fn take_pending(&mut self) -> bool {
        let PendingRequests { config, check, stop, .. } = self.clients.take_pending();
        if check {
            self.timer.request_check();
        }
        if let Some(config) = config {
            self.change_config(config);
        }
        stop
    }

    fn change_config(&mut self, config: Arc<LicenseConfig>) {
        let before = std::mem::replace(&mut self.config, config);
        if before.key != self.config.key {
            self.change_key(&before);
        }
        if before.trusted != self.config.trusted {
            self.recheck_signature();
        }
        if before.cache != self.config.cache {
            self.verdicts.file_changed();
        }
        self.publish(self.clock.now());
    }

    /// The license key changed: no check has verified it yet, but the cache can hold an earlier verdict on it.
    fn change_key(&mut self, before: &LicenseConfig) {
        self.state.confirmed = false;
        self.state.failure = None;
        self.timer.reset_failures();
        if let Some(gone) = before.key.as_ref() {
            let gone = LicenseIdentity::new(gone, &self.host, &self.config.trusted);
            self.verdicts.keep_previous_key(&gone, self.address.found());
        }
        if self.current_record().is_none() {
            self.load_cache(self.clock.now());
        }
    }

    /// The trusted keys changed: the recorded verdict must pass verification with the new ones.
    fn recheck_signature(&mut self) {
        let Some(identity) = LicenseIdentity::configured(&self.config, &self.host) else { return };
        if let Err(cause) = self.verdicts.confirm(&identity) {
            warn!("The recorded license is no longer trusted: {cause}");
        }
        self.state.confirmed = false;
    }

    /// Reacts to the passage of time: the standing can change, and during grace the machine time used must be stored.
    fn handle_time(&mut self, now: Now) {
        let has_changed = self.update_standing(now);
        if has_changed {
            log_lines::standing(&self.standing, &self.state);
        }
        let in_grace = matches!(self.standing, Standing::Grace { .. });
        if has_changed || self.verdicts.write_back().is_due(in_grace, now) {
            self.write_cache(now);
            self.publish(now);
        }
    }

    /// Updates the standing; returns whether its state or reason changed.
    fn update_standing(&mut self, now: Now) -> bool {
        let before = std::mem::replace(&mut self.standing, self.state.standing(now));
        self.standing.differs(&before)
    }

    /// Runs one check and applies its outcome.
    fn check(&mut self) {
        self.timer.begin(self.clock.now());
        if let Some(outcome) = self.verify() {
            self.schedule_next(&outcome);
        }
        self.state.checks_ended = self.state.checks_ended.saturating_add(1);
        let now = self.clock.now();
        let has_changed = self.update_standing(now);
        log_lines::standing(&self.standing, &self.state);
        if has_changed || self.verdicts.write_back().is_dirty() {
            self.write_cache(now);
        }
        self.publish(now);
        self.clients.reply();
    }

    /// Verifies the configured key, if there is one, with the license server and records the verdict.
    fn verify(&mut self) -> Option<Outcome> {
        let identity = LicenseIdentity::configured(&self.config, &self.host)?;
        let server = &mut *self.server;
        let server_ip = self.address.find(&self.config, server, self.clock.now());
        let answered = identity.ask(server_ip, &self.random, |inquiry| server.ask(&self.config, inquiry));
        let now = self.clock.now();
        let outcome = match answered {
            Err(failure) => Outcome::Inconclusive(failure),
            Ok((answer, parsed)) => {
                self.key_warning.note(parsed.signed_by, now);
                let at = parsed.issued_at.unwrap_or(now.wall);
                if self.verdicts.record_verdict(&parsed.outcome, answer, at, &identity, now) {
                    log_lines::clock(at, now.wall);
                }
                parsed.outcome
            }
        };
        self.timer.count_outcome(&outcome);
        self.state.note_check(&outcome, now.wall);
        Some(outcome)
    }

    fn schedule_next(&mut self, outcome: &Outcome) {
        let now = self.clock.now();
        self.state.record = self.current_record();
        let expires_at = self.state.record.as_ref().and_then(|record| record.verdict.last_grant()?.terms.expires_at);
        let standing = self.state.standing(now);
        self.timer.schedule_next(outcome, &standing, expires_at, self.random_fraction(), now);
    }

    /// Loads the recorded verdict on the configured key.
    fn load_cache(&mut self, now: Now) {
        let Some(identity) = LicenseIdentity::configured(&self.config, &self.host) else { return };
        let path = &self.config.cache;
        self.state.cache = match self.verdicts.load(path, &identity) {
            Ok(None) => "none".to_owned(),
            Ok(Some(cached)) => {
                self.address.restore(cached.address);
                self.verdicts.restore(cached, &self.host.boot_id, now);
                "ok".to_owned()
            }
            Err(cause) => {
                warn!("License cache {} ignored: {cause}", path.display());
                format!("ignored: {cause}")
            }
        };
    }

    /// Writes the cache file, if there is a verdict on the configured key.
    fn write_cache(&mut self, now: Now) {
        let Some(identity) = LicenseIdentity::configured(&self.config, &self.host) else { return };
        let Some(record) = self.verdicts.advance_uptime(&identity, now) else { return };
        self.state.record = Some(record.clone());
        let standing = self.state.standing(now);
        let reason = standing.reason().map(str::to_owned);
        let view = CachedStatus::new(standing.is_valid(), reason, self.state.message(&standing), self.state.terms());
        let path = &self.config.cache;
        self.state.cache = match self.verdicts.write(path, &view, self.address.found(), &identity, now) {
            Ok(()) => "ok".to_owned(),
            Err(cause) => {
                error!("License cache {} not written: {cause}", path.display());
                format!("not written: {cause}")
            }
        };
    }

    fn publish(&mut self, now: Now) {
        self.state.has_key = self.config.key.is_some();
        self.state.key_fault = self.config.key_fault.clone();
        self.state.record = self.current_record();
        self.state.next_check_at = self.config.key.as_ref().map(|_| self.timer.scheduled_at(now));
        self.state.generation = self.state.generation.wrapping_add(1);
        self.clients.publish(&self.state);
    }

    /// The recorded verdict on the configured key.
    fn current_record(&self) -> Option<Record> {
        self.verdicts.record(&LicenseIdentity::configured(&self.config, &self.host)?).cloned()
    }

    /// A random number from 0 to 1.
    fn random_fraction(&self) -> f64 {
        let mut bytes = [0; 4];
        match self.random.fill(&mut bytes) {
            Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
            Err(_) => 1.0,
        }
    }
}
