//! The state that the verifier publishes, and the handle through which other threads request checks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::Serialize;

use crate::license::attempts::Attempts;
use crate::license::client::{LicenseConfig, ServerList};
use opterius_base::clock::{Now, Timestamp};
use opterius_license::clocks::{self, Difference};
use opterius_license::model::{Record, Terms, Verdict};
use opterius_license::outcome::{self, Failure, Outcome};
use opterius_license::standing::{self, Evidence, Standing};
use opterius_license::warning::{self, Warning};

/// How many checks the status lists.
const RECENT_CHECKS: usize = 10;

/// The identity of this host, read once at start.
#[derive(Clone, Debug)]
pub struct HostIdentity {
    /// The ID that the license server knows this host by, derived from `/etc/machine-id`.
    pub server_id: String,
    /// The kernel's boot ID of the current boot.
    pub boot_id: String,
    /// The host name.
    pub hostname: String,
    /// Kernel name and release.
    pub os: String,
}

/// A finished check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecentCheck {
    /// When the check finished.
    pub at: Timestamp,
    /// The result: `granted`, `denied: <reason>`, or `unreachable: <cause>`.
    pub verdict: String,
    /// The license server that gave the verdict, if it was asked because another one gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license_server: Option<String>,
}

/// Everything known about the license, as last published.
#[derive(Clone, Debug)]
pub struct State {
    /// Whether a license key is configured.
    pub has_key: bool,
    /// Why the text in place of the license key cannot be one, with its place in agent.conf.
    pub key_fault: Option<String>,
    /// The recorded verdict on that key.
    pub record: Option<Record>,
    /// Whether the latest check in this process produced that verdict.
    pub confirmed: bool,
    /// Why the latest check produced no verdict.
    pub failure: Option<Failure>,
    boot_id: String,
    /// `ok`, `none`, or what is wrong with the cache file.
    pub cache: String,
    /// When the license settings in use were read from agent.conf and the files that it names.
    pub config_read_at: Option<Timestamp>,
    /// Recent checks, the latest first.
    pub recent_checks: VecDeque<RecentCheck>,
    /// Checks since the start by outcome, with the labels of [`outcome::WORDS`].
    pub checks: BTreeMap<&'static str, u64>,
    /// Requests since the start by the base URL of the license server and by outcome, with the same labels.
    pub requests: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// Checks finished since the start, including those without a license key to verify.
    pub checks_ended: u64,
    /// When the latest check finished.
    pub last_checked_at: Option<Timestamp>,
    /// When the next check is due.
    pub next_check_at: Option<Timestamp>,
    /// Counts publications, so that a response rendered from a state can be cached with it.
    pub generation: u64,
}

impl State {
    /// A state without a key, a verdict or any check.
    pub fn new(boot_id: String) -> Self {
        Self {
            has_key: false,
            key_fault: None,
            record: None,
            confirmed: false,
            failure: None,
            boot_id,
            cache: "none".to_owned(),
            config_read_at: None,
            recent_checks: VecDeque::new(),
            checks: outcome::WORDS.map(|word| (word, 0)).into(),
            requests: BTreeMap::new(),
            checks_ended: 0,
            last_checked_at: None,
            next_check_at: None,
            generation: 0,
        }
    }

    /// The standing at `now`. Computed on each call, so that an expiry takes effect without a check.
    pub fn standing(&self, now: Now) -> Standing {
        if let Some(fault) = &self.key_fault {
            return standing::malformed_key(fault);
        }
        standing::standing(&self.evidence(), now)
    }

    /// How long until `standing` changes without a check.
    pub fn time_until_change(&self, standing: &Standing, now: Now) -> Option<Duration> {
        standing::time_until_change(standing, &self.evidence(), now)
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            has_key: self.has_key,
            record: self.record.as_ref(),
            confirmed: self.confirmed,
            failure: self.failure.as_ref(),
            boot_id: &self.boot_id,
        }
    }

    /// The clocks of this server and the license server, if a verdict of this boot tells: after a reboot, the license
    /// server's is only estimated.
    pub fn clocks(&self, now: Now) -> Option<Difference> {
        let record = self.record.as_ref().filter(|record| clocks::is_in_boot_of_arrival(record, &self.boot_id))?;
        Some(clocks::compare(record, &self.boot_id, now))
    }

    /// The difference between these clocks, if it is so large that one of them is wrong.
    pub fn clock_difference(&self, now: Now) -> Option<Difference> {
        self.clocks(now).filter(|clocks| clocks.size() > clocks::TOLERANCE)
    }

    /// `now`, with the wall clock that decides about the expiry.
    pub fn deciding_time(&self, now: Now) -> Now {
        let wall = self.record.as_ref().map_or(now.wall, |record| clocks::deciding(record, &self.boot_id, now));
        Now { wall, ..now }
    }

    /// The plan and limits to show.
    pub fn terms(&self) -> Terms {
        self.record.as_ref().map(|record| record.verdict.terms()).unwrap_or_default()
    }

    /// The warnings about a valid license that `accounts` accounts use.
    pub fn warnings(&self, standing: &Standing, accounts: Option<u64>, now: Now) -> Vec<Warning> {
        match self.record.as_ref().map(|record| &record.verdict) {
            Some(Verdict::Granted(grant)) => {
                warning::warnings(standing, &grant.terms, accounts, now.wall, self.deciding_time(now).wall)
            }
            _ => Vec::new(),
        }
    }

    /// The message that explains `standing` at `now`, and a clock that is wrong.
    pub fn message(&self, standing: &Standing, now: Now) -> String {
        let message = self.explain(standing);
        match self.clock_difference(now) {
            None => message,
            Some(difference) => {
                let end = if message.ends_with('.') { "" } else { "." };
                format!("{message}{end} Check the time: {difference}.")
            }
        }
    }

    fn explain(&self, standing: &Standing) -> String {
        let granted = match self.record.as_ref().map(|record| &record.verdict) {
            Some(Verdict::Granted(grant)) => grant.message.as_str(),
            _ => "",
        };
        match standing {
            Standing::Active => granted.to_owned(),
            Standing::Restricted { message, .. } => message.clone(),
            Standing::Grace { until } => match &self.failure {
                Some(failure) => {
                    format!("License server unreachable: {failure}; running on the cached license until {until}.")
                }
                None => format!("Running on the cached license until {until}; the first check is in progress."),
            },
        }
    }

    /// Records the outcome of a check that finished at `at`.
    pub(super) fn note_check(&mut self, attempts: &Attempts, outcome: &Outcome, at: Timestamp) {
        let (verdict, failure) = match outcome {
            Outcome::Granted { .. } => ("granted".to_owned(), None),
            Outcome::Denied { reason, .. } => (format!("denied: {reason}"), None),
            Outcome::Inconclusive(failure) => (format!("unreachable: {failure}"), Some(failure.clone())),
        };
        self.confirmed = failure.is_none();
        self.failure = failure;
        *self.checks.entry(outcome.word()).or_default() += 1;
        self.recent_checks.truncate(RECENT_CHECKS.saturating_sub(1));
        let substitute = attempts.verdict.as_ref().filter(|_| !attempts.failures.is_empty());
        let license_server = substitute.map(|answered| answered.server.base().to_owned());
        self.recent_checks.push_front(RecentCheck { at, verdict, license_server });
        for (server, word) in attempts.words() {
            let counters = self.requests.entry(server.base().to_owned()).or_default();
            *counters.entry(word).or_default() += 1;
        }
        self.last_checked_at = Some(at);
    }

    /// Keeps a counter for each outcome of each of these license servers, and of no other.
    pub(super) fn count_requests_to(&mut self, servers: &ServerList) {
        let mut earlier = std::mem::take(&mut self.requests);
        for server in servers.iter() {
            let zeros = || outcome::WORDS.map(|word| (word, 0)).into();
            let counters = earlier.remove(server.base()).unwrap_or_else(zeros);
            self.requests.insert(server.base().to_owned(), counters);
        }
    }

    /// The base URL of the license server that gave the current verdict, if that is known.
    pub fn license_server(&self) -> Option<&str> {
        self.record.as_ref()?.license_server.as_deref()
    }

    /// When the license server last confirmed the license: by this server's clock, like every time in the status, but by
    /// the license server's for a grant that a denial has ended.
    pub fn last_verified_at(&self) -> Option<Timestamp> {
        let record = self.record.as_ref()?;
        let arrival = record.arrival.as_ref().filter(|_| matches!(record.verdict, Verdict::Granted(_)));
        Some(arrival.map_or(record.verdict.last_grant()?.at, |arrival| arrival.wall))
    }

    /// `server` if the latest check produced the current verdict, `cache` if an earlier one did, otherwise `none`.
    pub fn source(&self) -> &'static str {
        match (&self.record, self.confirmed) {
            (None, _) => "none",
            (Some(_), true) => "server",
            (Some(_), false) => "cache",
        }
    }
}

/// The most callers that can wait for the same check.
const MAX_REPLIES: usize = 64;

/// Receives the state after a requested check, or `None` if too many callers are waiting already.
pub type ReverifyReply = Box<dyn FnOnce(Option<&State>) + Send>;

/// Called after each publication.
pub type Watcher = Box<dyn Fn() + Send + Sync>;

/// Requests from other threads to the verifier. Not a queue: requests of one kind merge into one, so that nothing piles up
/// and nothing is lost.
#[derive(Default)]
pub(super) struct PendingRequests {
    pub(super) config: Option<Arc<LicenseConfig>>,
    pub(super) check: bool,
    /// Whether to read the license settings again before that check.
    pub(super) reread: bool,
    pub(super) replies: Vec<ReverifyReply>,
    pub(super) stop: bool,
}

/// The handle through which other threads read the state and request checks.
pub struct License {
    state: RwLock<Arc<State>>,
    pending_requests: Mutex<PendingRequests>,
    wake: Sender<()>,
    watcher: Watcher,
}

impl License {
    /// A handle, and the receiver that wakes the verifier; the verifier calls `watcher` after each publication.
    pub fn new(host: &HostIdentity, watcher: Watcher) -> (Arc<Self>, Receiver<()>) {
        let (wake, woken) = bounded(1);
        let state = RwLock::new(Arc::new(State::new(host.boot_id.clone())));
        (Arc::new(Self { state, pending_requests: Mutex::default(), wake, watcher }), woken)
    }

    /// The latest published state.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Requests a check, with new settings if given.
    pub fn reload(&self, config: Option<Arc<LicenseConfig>>) {
        self.request(|pending_requests| {
            pending_requests.config = config.or_else(|| pending_requests.config.take());
            pending_requests.check = true;
        });
    }

    /// Requests a check with what agent.conf and the files in it say now; `reply` receives the state after it.
    pub fn reverify(&self, reply: ReverifyReply) {
        let mut refused = None;
        self.request(|pending_requests| {
            (pending_requests.check, pending_requests.reread) = (true, true);
            if pending_requests.replies.len() < MAX_REPLIES {
                pending_requests.replies.push(reply)
            } else {
                refused = Some(reply)
            }
        });
        if let Some(reply) = refused {
            reply(None);
        }
    }

    /// Stops the verifier after its current step.
    pub fn stop(&self) {
        self.request(|pending_requests| pending_requests.stop = true);
    }

    fn request(&self, change: impl FnOnce(&mut PendingRequests)) {
        change(&mut self.pending_requests());
        // A full channel means that a wake-up is already pending.
        let _ = self.wake.try_send(());
    }

    /// Takes all requests since the last call.
    pub(super) fn take_pending(&self) -> PendingRequests {
        std::mem::take(&mut *self.pending_requests())
    }

    fn pending_requests(&self) -> MutexGuard<'_, PendingRequests> {
        self.pending_requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, state: Arc<State>) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        (self.watcher)();
    }
}
