//! The verifier: the only thread that contacts the license server and changes the license state.
//!
//! It sleeps until a check is due, the standing changes with time, or another thread requests a check. It publishes the
//! result as one immutable [`State`], behind a lock that is never held during I/O.
//!
//! This file is the main loop. `check_timer` decides when a check is due, [`Attempts`] asks the servers, `verdict_store`
//! keeps the verdict (`write_back`: when to write it to disk; `previous_key`: the verdict on the previous key),
//! `public_address` finds the address to report, `once_per_day` limits warnings, and `clients` connects the other threads.

mod check_timer;
mod clients;
mod once_per_day;
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
use self::once_per_day::OncePerDay;
use self::public_address::PublicAddress;
use self::verdict_store::VerdictStore;
use crate::license::attempts::{Answered, Attempts};
use crate::license::cache::CachedStatus;
use crate::license::client::{LicenseConfig, LicenseServer};
use crate::license::license_identity::LicenseIdentity;
use crate::license::log_lines;
use crate::license::state::{HostIdentity, License, PendingRequests, State};
use opterius_base::clock::{Clock, Now};
use opterius_base::secret::Secret;
use opterius_host::users::accounts::AccountCount;
use opterius_license::inquiry::Inquiry;
use opterius_license::model::Record;
use opterius_license::outcome::Outcome;
use opterius_license::signature::SignedBy;
use opterius_license::standing::Standing;

/// The longest sleep: the verifier notices a changed clock or a resumed machine within this time.
const LONGEST_SLEEP: Duration = write_back::INTERVAL;

/// The clock difference that is worth a line in the log: beyond it, this server or the Panel rejects signed requests.
const NOTABLE: Duration = Duration::from_secs(300);

/// Reads the license settings again; `None` if they cannot be used, which it logs.
pub type Reread = Box<dyn Fn() -> Option<LicenseConfig> + Send>;

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
    accounts: AccountCount,
    warned: OncePerDay,
    reread: Reread,
    /// Stands for the key in the cache file's MAC while none is configured.
    no_key: Secret,
    /// The state to publish next.
    state: State,
    /// The standing at the last look.
    standing: Standing,
}

impl Verifier {
    /// A verifier that has loaded the cache, corrected what it tells the Panel, and published the state from it, but has
    /// not run a check yet.
    pub fn new(
        license: Arc<License>,
        woken: Receiver<()>,
        clock: Arc<dyn Clock>,
        server: Box<dyn LicenseServer>,
        host: HostIdentity,
        config: Arc<LicenseConfig>,
        reread: Reread,
    ) -> Self {
        let now = clock.now();
        let mut state = State::new(host.boot_id.clone());
        state.config_read_at = Some(now.wall);
        state.count_requests_to(&config.servers);
        let mut verifier = Self {
            clients: Clients::new(license, woken),
            clock,
            random: SystemRandom::new(),
            server,
            // Clones have one machine ID.
            timer: CheckTimer::new(&format!("{} {}", host.server_id, host.hostname), now),
            host,
            config,
            verdicts: VerdictStore::new(now),
            address: PublicAddress::default(),
            accounts: AccountCount::default(),
            warned: OncePerDay::default(),
            reread,
            no_key: Secret::new(String::new()),
            standing: state.standing(now),
            state,
        };
        verifier.load_cache(now);
        verifier.refresh(now);
        verifier.update_standing(now);
        verifier.correct_cache(now);
        verifier.publish(now);
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
            self.timer.note_clocks(self.clock.now());
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
        self.timer.due_in(self.config.key.is_some(), self.state.deciding_time(now))
    }

    /// Handles requests from other threads; returns true to stop.
    fn take_pending(&mut self) -> bool {
        let PendingRequests { config, check, reread, stop, .. } = self.clients.take_pending();
        if check {
            self.timer.request_check();
        }
        let reread = if reread { (self.reread)().map(Arc::new) } else { None };
        if let Some(config) = reread.or(config) {
            self.change_config(config);
        }
        stop
    }

    fn change_config(&mut self, config: Arc<LicenseConfig>) {
        self.state.config_read_at = Some(self.clock.wall());
        let before = std::mem::replace(&mut self.config, config);
        if before.key != self.config.key {
            self.change_key(&before);
        }
        if before.trusted != self.config.trusted {
            self.recheck_signature();
        }
        self.state.count_requests_to(&self.config.servers);
        if before.cache != self.config.cache {
            self.verdicts.file_changed(&self.config.cache);
        }
        let now = self.clock.now();
        self.refresh(now);
        self.correct_cache(now);
        self.publish(now);
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
        if let Err(cause) = self.verdicts.confirm(&identity, self.address.found()) {
            warn!("The recorded license is no longer trusted: {cause}");
        }
        self.state.confirmed = false;
        if self.current_record().is_none() {
            self.load_cache(self.clock.now());
        }
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
        self.log_warnings(now);
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
        if has_changed || self.verdicts.is_behind(&self.view(now)) {
            self.write_cache(now);
        }
        self.publish(now);
        self.clients.reply();
        self.log_warnings(now);
    }

    /// Logs a clock that is off and the limits that are near, except before the first check, which can change them.
    fn log_warnings(&mut self, now: Now) {
        if self.state.last_checked_at.is_none() {
            return;
        }
        if let Some(clocks) = self.state.clocks(now).filter(|clocks| clocks.size() > NOTABLE)
            && self.warned.is_due("clock", now)
        {
            log_lines::clocks(clocks);
        }
        let accounts = self.accounts.count(&self.config.host_root, now.boot);
        for warning in self.state.warnings(&self.standing, accounts, now) {
            if self.warned.is_due(warning.kind(), now) {
                warn!("{warning}");
            }
        }
    }

    /// Verifies the configured key, if there is one, with a license server and records the verdict.
    fn verify(&mut self) -> Option<Outcome> {
        let identity = LicenseIdentity::configured(&self.config, &self.host)?;
        let network = &mut *self.server;
        let server_ip = self.address.find(&self.config, network, self.clock.now());
        let latest = self.verdicts.record(&identity).and_then(|record| record.license_server.clone());
        let order = self.config.servers.beginning_with(latest.as_deref());
        network.prepare(&self.config, order.get(1..).unwrap_or_default());
        let attempts = Attempts::run(&order, |server, limit| {
            let send = |inquiry: &Inquiry<'_>| network.ask(&self.config, server, limit, inquiry);
            identity.ask(server_ip, &self.random, self.clock.wall(), send)
        });
        let now = self.clock.now();
        if self.config.servers.is_several() {
            log_lines::attempts(&attempts, latest.as_deref());
        }
        let outcome = attempts.outcome();
        self.timer.count_outcome(&outcome);
        self.state.note_check(&attempts, &outcome, now.wall);
        if let Some(Answered { server, answer, parsed }) = attempts.verdict {
            if parsed.signed_by == Some(SignedBy::OlderKey) && self.warned.is_due("key", now) {
                log_lines::older_key();
            }
            let at = parsed.issued_at.unwrap_or(now.wall);
            self.verdicts.record_verdict(&outcome, answer, server.base(), at, &identity, now);
        }
        Some(outcome)
    }

    fn schedule_next(&mut self, outcome: &Outcome) {
        let now = self.clock.now();
        self.state.record = self.current_record();
        let expires_at = self.state.record.as_ref().and_then(|record| record.verdict.last_grant()?.terms.expires_at);
        let standing = self.state.standing(now);
        let deciding = self.state.deciding_time(now);
        self.timer.schedule_next(outcome, &standing, expires_at, self.random_fraction(), deciding);
    }

    /// Loads the recorded verdict on the configured key.
    fn load_cache(&mut self, now: Now) {
        let key = self.config.key.as_ref().unwrap_or(&self.no_key);
        let identity = LicenseIdentity::new(key, &self.host, &self.config.trusted);
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

    /// Corrects the cache file if it tells the Panel something else than the standing.
    fn correct_cache(&mut self, now: Now) {
        if self.verdicts.contradicts(&self.view(now)) {
            self.write_cache(now);
        }
    }

    /// What the cache file has to tell the Panel.
    fn view(&self, now: Now) -> CachedStatus {
        let standing = self.state.standing(now);
        let (reason, message) = (standing.reason().map(str::to_owned), self.state.message(&standing, now));
        CachedStatus::new(standing.is_valid(), reason, message, self.state.terms())
    }

    /// Writes the cache file.
    fn write_cache(&mut self, now: Now) {
        let key = self.config.key.as_ref().unwrap_or(&self.no_key);
        let identity = LicenseIdentity::new(key, &self.host, &self.config.trusted);
        self.state.record = self.verdicts.advance_uptime(&identity, now).cloned();
        let view = self.view(now);
        let path = &self.config.cache;
        self.state.cache = match self.verdicts.write(path, &view, self.address.found(), &identity, now) {
            Ok(()) if self.state.record.is_none() => return,
            Ok(()) => "ok".to_owned(),
            Err(cause) => {
                error!("License cache {} not written: {cause}", path.display());
                format!("not written: {cause}")
            }
        };
    }

    /// Publishes the state. What restricts the license is in the file before.
    fn publish(&mut self, now: Now) {
        self.refresh(now);
        self.state.generation = self.state.generation.wrapping_add(1);
        self.clients.publish(&self.state);
    }

    /// Brings the state to be published up to date with the configuration and the verdict.
    fn refresh(&mut self, now: Now) {
        self.state.has_key = self.config.key.is_some();
        self.state.key_fault = self.config.key_fault.clone();
        self.state.record = self.current_record();
        let next = self.due_in(now).filter(|_| self.state.has_key);
        self.state.next_check_at = next.map(|wait| now.wall.plus(wait));
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
