//! What the verifier publishes and what others may ask of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::Serialize;

use crate::license::client::LicenseConfig;
use opterius_base::clock::{Now, Timestamp};
use opterius_license::model::{Record, Terms, Verdict};
use opterius_license::outcome::{self, Failure, Outcome};
use opterius_license::standing::{self, Evidence, Standing};

/// How many checks the status remembers.
const RECENT_CHECKS: usize = 10;

/// Who we are, read once at start.
#[derive(Clone, Debug)]
pub struct HostIdentity {
    /// The identity of this host.
    pub server_id: String,
    /// The kernel's id of the current boot.
    pub boot_id: String,
    /// The host name.
    pub hostname: String,
    /// Kernel name and release.
    pub os: String,
}

/// One check that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// When it ended.
    pub at: Timestamp,
    /// What it came to: `granted`, `denied: <reason>`, or `unreachable: <cause>`.
    pub verdict: String,
}

/// Everything that is known, as it was published last.
#[derive(Clone, Debug)]
pub struct State {
    /// Whether a license key is configured.
    pub has_key: bool,
    /// What is known of that key.
    pub record: Option<Record>,
    /// Whether the last check in this process gave that verdict.
    pub confirmed: bool,
    /// Why the last check gave none.
    pub failure: Option<Failure>,
    boot_id: String,
    /// `ok`, `none`, or what is wrong with the cache file.
    pub cache: String,
    /// The last checks, the latest first.
    pub recent_checks: VecDeque<Check>,
    /// How many checks came to what since the start, by the words of [`outcome::WORDS`].
    pub checks: BTreeMap<&'static str, u64>,
    /// How many checks have ended since the start, also those that had no license key to ask about.
    pub checks_ended: u64,
    /// When the last check ended.
    pub last_checked_at: Option<Timestamp>,
    /// When the next one is due.
    pub next_check_at: Option<Timestamp>,
    /// Counts the publications, so that what is rendered from a state can be kept with it.
    pub generation: u64,
}

impl State {
    /// Nothing is known yet.
    pub fn new(boot_id: String) -> Self {
        Self {
            has_key: false,
            record: None,
            confirmed: false,
            failure: None,
            boot_id,
            cache: "none".to_owned(),
            recent_checks: VecDeque::new(),
            checks: outcome::WORDS.map(|word| (word, 0)).into(),
            checks_ended: 0,
            last_checked_at: None,
            next_check_at: None,
            generation: 0,
        }
    }

    /// The standing at `now`. Nobody has to wake up for an expiry to count.
    pub fn standing(&self, now: Now) -> Standing {
        let known = Evidence {
            has_key: self.has_key,
            record: self.record.as_ref(),
            confirmed: self.confirmed,
            failure: self.failure.as_ref(),
            boot_id: &self.boot_id,
        };
        standing::standing(&known, now)
    }

    /// How long `standing` lasts by itself.
    pub fn time_until_change(&self, standing: &Standing, now: Now) -> Option<Duration> {
        standing::time_until_change(standing, self.record.as_ref(), now)
    }

    /// Plan and limits to show.
    pub fn terms(&self) -> Terms {
        self.record.as_ref().map(|record| record.verdict.terms()).unwrap_or_default()
    }

    /// The sentence that goes with `standing`.
    pub fn message(&self, standing: &Standing) -> String {
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
                None => format!("Running on the cached license until {until}; the first check is under way."),
            },
        }
    }

    /// Takes note of what a check came to that ended at `at`.
    pub(super) fn note_check(&mut self, outcome: &Outcome, at: Timestamp) {
        let (verdict, failure) = match outcome {
            Outcome::Granted { .. } => ("granted".to_owned(), None),
            Outcome::Denied { reason, .. } => (format!("denied: {reason}"), None),
            Outcome::Inconclusive(failure) => (format!("unreachable: {failure}"), Some(failure.clone())),
        };
        self.confirmed = failure.is_none();
        self.failure = failure;
        *self.checks.entry(outcome.word()).or_default() += 1;
        self.recent_checks.truncate(RECENT_CHECKS.saturating_sub(1));
        self.recent_checks.push_front(Check { at, verdict });
        self.last_checked_at = Some(at);
    }

    /// When the license server last said yes.
    pub fn last_verified_at(&self) -> Option<Timestamp> {
        Some(self.record.as_ref()?.verdict.last_grant()?.at)
    }

    /// `server` when the last check gave the verdict that counts, `cache` when an earlier one did, else `none`.
    pub fn source(&self) -> &'static str {
        match (&self.record, self.confirmed) {
            (None, _) => "none",
            (Some(_), true) => "server",
            (Some(_), false) => "cache",
        }
    }
}

/// How many may wait for the same check.
const MAX_REPLIES: usize = 64;

/// What is done with the state after a check that somebody asked for; with none when too many wait already.
pub type ReverifyReply = Box<dyn FnOnce(Option<&State>) + Send>;

/// Who wants to hear of every change.
pub type Watcher = Box<dyn Fn() + Send + Sync>;

/// What other threads want of the verifier. It is one box and not a queue: however much is put in, there is one thing to
/// do next, and nothing is lost.
#[derive(Default)]
pub(super) struct PendingRequests {
    pub(super) settings: Option<Arc<LicenseConfig>>,
    pub(super) check: bool,
    pub(super) replies: Vec<ReverifyReply>,
    pub(super) stop: bool,
}

/// The handle that other threads hold.
pub struct License {
    state: RwLock<Arc<State>>,
    pending_requests: Mutex<PendingRequests>,
    wake: Sender<()>,
    watcher: Watcher,
}

impl License {
    /// A handle, and the end of it that the verifier listens on; `watcher` is called whenever something new is known.
    pub fn new(host: &HostIdentity, watcher: Watcher) -> (Arc<Self>, Receiver<()>) {
        let (wake, woken) = bounded(1);
        let state = RwLock::new(Arc::new(State::new(host.boot_id.clone())));
        (Arc::new(Self { state, pending_requests: Mutex::default(), wake, watcher }), woken)
    }

    /// What is known now.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for a check now, with new settings if there are any.
    pub fn reload(&self, settings: Option<Arc<LicenseConfig>>) {
        self.request(|pending_requests| {
            pending_requests.settings = settings.or_else(|| pending_requests.settings.take());
            pending_requests.check = true;
        });
    }

    /// Asks for a check now, and to be told what came of it.
    pub fn reverify(&self, reply: ReverifyReply) {
        let mut refused = None;
        self.request(|pending_requests| {
            pending_requests.check = true;
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

    /// Ends the verifier after what it is doing.
    pub fn stop(&self) {
        self.request(|pending_requests| pending_requests.stop = true);
    }

    fn request(&self, change: impl FnOnce(&mut PendingRequests)) {
        change(&mut self.pending_requests());
        // Full means that a wake-up is on its way already.
        let _ = self.wake.try_send(());
    }

    /// Takes everything that was asked for since the last time.
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
