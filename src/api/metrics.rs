//! `GET /metrics`: what is counted, and how the license stands. No label value comes from a client: routes and operations
//! are the table's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::cached_response::CachedResponse;
use crate::api::gate::LICENSE_REQUIRED;
use crate::api::queue;
use crate::license::state::State;
use opterius_base::clock::{Clock, Now, Timestamp};
use opterius_base::exposition::{self, Counters, Exposition, Family, Kind, seconds};
use opterius_host::request::PATHS;
use opterius_http::lane::Work;
use opterius_http::response::Response;
use opterius_http::service::Reaction;
use opterius_http::traffic::Traffic;
use opterius_license::standing::Standing;

/// What the names of all metrics begin with: they are the documented ones, and Prometheus adds the job that has them.
const PREFIX: &str = "";

/// Why a request was kept from what it asked for: its signature, or the license.
const REFUSALS: [&str; 5] =
    ["signature_missing", "timestamp_outside_window", "signature_invalid", LICENSE_REQUIRED, "account_limit_reached"];

/// What an operation came to, by the status of its answer: below 400, below 500, above.
const RESULTS: [&str; 3] = ["done", "refused", "failed"];

const STATES: [&str; 3] = ["active", "grace", "restricted"];

/// The classes of durations: up to so many milliseconds. What is beyond the last waits for somebody else.
const BOUNDS: [u64; 8] = [50, 100, 250, 1_000, 2_500, 10_000, 30_000, 120_000];

/// What the API and the threads of the lanes count.
#[derive(Debug)]
pub struct ApiMetrics {
    refusals: Counters<5>,
    operations: Vec<Operations>,
}

/// What became of the calls of one operation.
#[derive(Debug)]
struct Operations {
    path: &'static str,
    results: Counters<3>,
    /// One for each class, and one for what is beyond.
    durations: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Default for ApiMetrics {
    fn default() -> Self {
        let mut paths: Vec<&str> = PATHS.iter().flat_map(|paths| paths.iter().copied()).collect();
        paths.sort_unstable();
        Self { refusals: Counters::new(&REFUSALS), operations: paths.into_iter().map(Operations::new).collect() }
    }
}

impl ApiMetrics {
    /// Counts a request that was refused with this word.
    pub fn refused(&self, error: &str) {
        self.refusals.count(error);
    }

    /// Has what is done about a call of the operation `path` be counted when it is done.
    pub fn watched(self: &Arc<Self>, path: &'static str, clock: &Arc<dyn Clock>, reaction: Reaction) -> Reaction {
        let timed = |work: Work| -> Work {
            let (api_metrics, clock) = (Arc::clone(self), Arc::clone(clock));
            Box::new(move || {
                let began = clock.monotonic();
                let response = work();
                api_metrics.answered(path, &response, Some(since(began, &*clock)));
                response
            })
        };
        match reaction {
            Reaction::Answer(response) => {
                self.answered(path, &response, None);
                Reaction::Answer(response)
            }
            Reaction::Read(work) => Reaction::Read(timed(work)),
            Reaction::Write(work) => Reaction::Write(timed(work)),
            Reaction::LongRunning(work) => Reaction::LongRunning(timed(work)),
            Reaction::Deferred(hand_over) => Reaction::Deferred(hand_over),
        }
    }

    /// Has each certificate of the queue be counted when it is issued, or is not.
    pub fn watched_queue(self: &Arc<Self>, clock: &Arc<dyn Clock>, run: queue::Run) -> queue::Run {
        let (api_metrics, clock) = (Arc::clone(self), Arc::clone(clock));
        Box::new(move |path, body| {
            let began = clock.monotonic();
            let reply = run(path, body);
            api_metrics.ended(path, reply.status, Some(since(began, &*clock)));
            reply
        })
    }

    fn answered(&self, path: &str, response: &Response, took: Option<Duration>) {
        self.ended(path, response.status, took);
        if response.status == 403 {
            let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            self.refused(body.get("error").and_then(Value::as_str).unwrap_or_default());
        }
    }

    /// Counts a call of the operation `path`; one that was answered without being begun took no time.
    fn ended(&self, path: &str, status: u16, took: Option<Duration>) {
        let Some(operations) = self.operations.iter().find(|operations| operations.path == path) else { return };
        operations.results.count(match status {
            0..400 => "done",
            400..500 => "refused",
            _ => "failed",
        });
        if let Some(took) = took {
            operations.took(took);
        }
    }
}

impl Operations {
    fn new(path: &'static str) -> Self {
        Self { path, results: Counters::new(&RESULTS), durations: Default::default(), microseconds: AtomicU64::new(0) }
    }

    fn took(&self, time: Duration) {
        let class = BOUNDS.partition_point(|bound| Duration::from_millis(*bound) < time);
        if let Some(count) = self.durations.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// Adds the operation's histogram, in which each class holds the smaller ones too; none while it never ran.
    fn show(&self, family: &mut Family<'_>) {
        let (operation, mut count) = (("operation", self.path), 0);
        let classes: Vec<u64> = self.durations.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        if classes.iter().all(|class| *class == 0) {
            return;
        }
        let bounds = BOUNDS.iter().map(|bound| (Duration::from_millis(*bound).as_secs_f64()).to_string());
        for (class, bound) in classes.iter().zip(bounds.chain(["+Inf".to_owned()])) {
            count += class;
            family.part("_bucket", &[operation, ("le", &bound)], count);
        }
        let sum = Duration::from_micros(self.microseconds.load(Ordering::Relaxed));
        family.part("_sum", &[operation], seconds(sum));
        family.part("_count", &[operation], count);
    }
}

fn since(began: Instant, clock: &dyn Clock) -> Duration {
    clock.monotonic().saturating_duration_since(began)
}

/// The answer as it was made last. It is made again once a second at most: anybody on the machine may ask for it.
#[derive(Debug, Default)]
pub struct MetricsPage(CachedResponse<u64>);

impl MetricsPage {
    /// The answer at `now`.
    pub fn answer(&mut self, state: &State, now: Now, api_metrics: &ApiMetrics, traffic: &Traffic) -> Response {
        self.0.answer(now.boot.as_secs(), |_| {
            let mut all = Exposition::new(PREFIX);
            all.build_info(env!("CARGO_PKG_VERSION"));
            license(&mut all, state, &state.standing(now));
            requests(&mut all, api_metrics, traffic);
            operations(&mut all, api_metrics);
            Response::text(200, exposition::MEDIA_TYPE, all.into_text())
        })
    }
}

fn license(all: &mut Exposition, state: &State, standing: &Standing) {
    let valid = u8::from(standing.is_valid());
    all.family("license_valid", Kind::Gauge, "1 while writes are allowed.").sample(&[], valid);
    let mut states = all.family("license_state", Kind::Gauge, "1 for the state that the license is in.");
    for word in STATES {
        states.sample(&[("state", word)], u8::from(word == standing.state()));
    }
    let mut instant = |name: &str, help: &str, at: Option<Timestamp>| {
        if let Some(at) = at {
            all.family(name, Kind::Gauge, help).sample(&[], at.unix());
        }
    };
    let expiry = "When the license ends; absent when that is never, or not known.";
    instant("license_expiry_timestamp_seconds", expiry, state.terms().expires_at);
    let success = "When the license server last said yes; absent when it never did.";
    instant("license_last_success_timestamp_seconds", success, state.last_verified_at());
    instant(
        "license_grace_end_timestamp_seconds",
        "When the grace ends; absent outside of it.",
        standing.grace_until(),
    );
    let help = "Checks with the license server, by verdict, or by what failed.";
    let mut checks = all.family("license_checks_total", Kind::Counter, help);
    for (outcome, count) in &state.checks {
        checks.sample(&[("outcome", outcome)], count);
    }
}

fn requests(all: &mut Exposition, api_metrics: &ApiMetrics, traffic: &Traffic) {
    let help = "Requests that were refused for their signature or for the license.";
    all.family("gate_refusals_total", Kind::Counter, help).counters("error", &api_metrics.refusals);
    let mut requests = all.family("http_requests_total", Kind::Counter, "Requests, by path and status of the answer.");
    for (route, status, count) in traffic.answers() {
        requests.sample(&[("route", route), ("code", &status.to_string())], count);
    }
    all.family("http_connections", Kind::Gauge, "Connections that are open.").sample(&[], traffic.connections);
    let help = "Connections that were closed to make room for others.";
    all.family("http_evictions_total", Kind::Counter, help).sample(&[], traffic.evictions);
}

fn operations(all: &mut Exposition, api_metrics: &ApiMetrics) {
    let mut results = all.family("operations_total", Kind::Counter, "Operations on the host, by what they came to.");
    for operations in &api_metrics.operations {
        for (result, count) in operations.results.iter() {
            results.sample(&[("operation", operations.path), ("result", result)], count);
        }
    }
    let help = "How long operations took that were begun.";
    let mut durations = all.family("operation_duration_seconds", Kind::Histogram, help);
    for operations in &api_metrics.operations {
        operations.show(&mut durations);
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
