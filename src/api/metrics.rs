//! `GET /metrics`: the Agent's metrics. No label value comes from a client: routes and operations are those of the route
//! table.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::cached_response::CachedResponse;
use crate::api::certificates::CertificateCounts;
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

/// The prefix of every metric name, which names the program as Prometheus's naming practice asks.
const PREFIX: &str = "opterius_agent_";

/// Error codes of requests refused because of their signature or the license.
const REFUSALS: [&str; 6] = [
    "signature_missing",
    "timestamp_outside_window",
    "signature_invalid",
    "signature_used",
    LICENSE_REQUIRED,
    "account_limit_reached",
];

/// Results of an operation by response status: `done` is below 400, `refused` 4xx, `failed` 5xx.
const RESULTS: [&str; 3] = ["done", "refused", "failed"];

const STATES: [&str; 3] = ["active", "grace", "restricted"];

/// Upper bounds of the duration buckets, in milliseconds. Longer operations wait for another machine, such as a certificate
/// authority's.
const BOUNDS: [u64; 8] = [50, 100, 250, 1_000, 2_500, 10_000, 30_000, 120_000];

/// Counters shared by the API and the threads of the lanes.
#[derive(Debug)]
pub struct ApiMetrics {
    refusals: Counters<6>,
    /// How many certificates there are in each state.
    pub certificates: CertificateCounts,
    operations: Vec<OperationMetrics>,
}

/// Counters of one operation.
#[derive(Debug)]
struct OperationMetrics {
    path: &'static str,
    results: Counters<3>,
    /// One counter per bound, and one for longer durations; unlike the exported buckets, they do not include each other.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    total_microseconds: AtomicU64,
}

impl Default for ApiMetrics {
    fn default() -> Self {
        let mut paths: Vec<&str> = PATHS.iter().flat_map(|paths| paths.iter().copied()).collect();
        paths.sort_unstable();
        Self {
            refusals: Counters::new(&REFUSALS),
            certificates: CertificateCounts::default(),
            operations: paths.into_iter().map(OperationMetrics::new).collect(),
        }
    }
}

impl ApiMetrics {
    /// Counts a request refused with this error code; ignores unknown codes.
    pub fn refused(&self, error: &str) {
        self.refusals.count(error);
    }

    /// Wraps `reaction` so that its result and duration are counted under the operation `path` when it finishes.
    pub fn watched(self: &Arc<Self>, path: &'static str, clock: &Arc<dyn Clock>, reaction: Reaction) -> Reaction {
        let timed = |work: Work| -> Work {
            let (api_metrics, clock) = (Arc::clone(self), Arc::clone(clock));
            Box::new(move || {
                let started = clock.monotonic();
                let response = work();
                api_metrics.count_response(path, &response, Some(elapsed(started, &*clock)));
                response
            })
        };
        match reaction {
            Reaction::Answer(response) => {
                self.count_response(path, &response, None);
                Reaction::Answer(response)
            }
            Reaction::Read(work) => Reaction::Read(timed(work)),
            Reaction::Write(work) => Reaction::Write(timed(work)),
            Reaction::LongRunning(work) => Reaction::LongRunning(timed(work)),
            Reaction::Receive(receive) => {
                let (api_metrics, clock) = (Arc::clone(self), Arc::clone(clock));
                Reaction::Receive(Box::new(move |body| {
                    let started = clock.monotonic();
                    let response = receive(body);
                    api_metrics.count_response(path, &response, Some(elapsed(started, &*clock)));
                    response
                }))
            }
            Reaction::Deferred(hand_over) => Reaction::Deferred(hand_over),
        }
    }

    /// Wraps the certificate queue's worker so that the result and duration of each request are counted.
    pub fn watched_queue(self: &Arc<Self>, clock: &Arc<dyn Clock>, run: queue::Run) -> queue::Run {
        let (api_metrics, clock) = (Arc::clone(self), Arc::clone(clock));
        Box::new(move |path, body| {
            let started = clock.monotonic();
            let reply = run(path, body);
            api_metrics.count_result(path, reply.status, Some(elapsed(started, &*clock)));
            reply
        })
    }

    fn count_response(&self, path: &str, response: &Response, duration: Option<Duration>) {
        self.count_result(path, response.status, duration);
        if response.status == 403 {
            let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            self.refused(body.get("code").and_then(Value::as_str).unwrap_or_default());
        }
    }

    /// Counts a call of the operation `path`; `duration` is none for a request answered before the operation started.
    fn count_result(&self, path: &str, status: u16, duration: Option<Duration>) {
        let Some(operation) = self.operations.iter().find(|operation| operation.path == path) else { return };
        operation.results.count(match status {
            0..400 => "done",
            400..500 => "refused",
            _ => "failed",
        });
        if let Some(duration) = duration {
            operation.observe(duration);
        }
    }
}

impl OperationMetrics {
    fn new(path: &'static str) -> Self {
        Self {
            path,
            results: Counters::new(&RESULTS),
            buckets: Default::default(),
            total_microseconds: AtomicU64::new(0),
        }
    }

    fn observe(&self, duration: Duration) {
        let bucket = BOUNDS.partition_point(|bound| Duration::from_millis(*bound) < duration);
        if let Some(count) = self.buckets.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.total_microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// Writes the operation's histogram, whose buckets are cumulative; writes nothing if the operation never ran.
    fn write_histogram(&self, family: &mut Family<'_>) {
        let (operation, mut count) = (("operation", self.path), 0);
        let buckets: Vec<u64> = self.buckets.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        if buckets.iter().all(|bucket| *bucket == 0) {
            return;
        }
        let bounds = BOUNDS.iter().map(|bound| (Duration::from_millis(*bound).as_secs_f64()).to_string());
        for (bucket, bound) in buckets.iter().zip(bounds.chain(["+Inf".to_owned()])) {
            count += bucket;
            family.part("_bucket", &[operation, ("le", &bound)], count);
        }
        let sum = Duration::from_micros(self.total_microseconds.load(Ordering::Relaxed));
        family.part("_sum", &[operation], seconds(sum));
        family.part("_count", &[operation], count);
    }
}

fn elapsed(started: Instant, clock: &dyn Clock) -> Duration {
    clock.monotonic().saturating_duration_since(started)
}

/// The response to `GET /metrics`, rendered at most once a second because every local user can request it.
#[derive(Debug, Default)]
pub struct MetricsPage(CachedResponse<u64>);

impl MetricsPage {
    /// The response at `now`.
    pub fn answer(&mut self, state: &State, now: Now, api_metrics: &ApiMetrics, traffic: &Traffic) -> Response {
        self.0.answer(now.boot.as_secs(), |_| {
            let mut all = Exposition::new(PREFIX);
            all.build_info(env!("CARGO_PKG_VERSION"));
            license(&mut all, state, &state.standing(now));
            requests(&mut all, api_metrics, traffic);
            operations(&mut all, api_metrics);
            certificates(&mut all, api_metrics);
            Response::text(200, exposition::MEDIA_TYPE, all.into_text())
        })
    }
}

fn license(all: &mut Exposition, state: &State, standing: &Standing) {
    let valid = u8::from(standing.is_valid());
    all.family("license_valid", Kind::Gauge, "1 while the license allows changes, 0 while it does not.")
        .sample(&[], valid);
    let mut states = all.family("license_state", Kind::Gauge, "1 for the current license state, 0 for the others.");
    for word in STATES {
        states.sample(&[("state", word)], u8::from(word == standing.state()));
    }
    let mut instant = |name: &str, help: &str, at: Option<Timestamp>| {
        if let Some(at) = at {
            all.family(name, Kind::Gauge, help).sample(&[], at.unix());
        }
    };
    let expiry = "When the license expires; absent if it never expires or its expiry is unknown.";
    instant("license_expiry_timestamp_seconds", expiry, state.terms().expires_at);
    let success = "When the license server last granted the license; absent if it never did.";
    instant("license_last_success_timestamp_seconds", success, state.last_verified_at());
    let grace = "When the grace period ends; absent outside the grace period.";
    instant("license_grace_end_timestamp_seconds", grace, standing.grace_until());
    let help = "1 while the license cache file cannot be read or written.";
    all.family("license_cache_failing", Kind::Gauge, help).sample(&[], u8::from(is_cache_failing(state)));
    let help = "License checks by outcome: the license server's verdict, or why there was none.";
    let mut checks = all.family("license_checks_total", Kind::Counter, help);
    for (outcome, count) in &state.checks {
        checks.sample(&[("outcome", outcome)], count);
    }
    let help = "Requests to each license server by outcome: a check asks the next server while there is no verdict.";
    let mut requests = all.family("license_requests_total", Kind::Counter, help);
    for (server, counters) in &state.requests {
        for (outcome, count) in counters {
            requests.sample(&[("server", server), ("outcome", outcome)], count);
        }
    }
}

/// Everything but `ok` and `none`, which stands for a cache that does not exist yet, describes a failure.
fn is_cache_failing(state: &State) -> bool {
    !matches!(state.cache.as_str(), "ok" | "none")
}

fn requests(all: &mut Exposition, api_metrics: &ApiMetrics, traffic: &Traffic) {
    let help = "Requests refused because of their signature or the license, by error code.";
    all.family("gate_refusals_total", Kind::Counter, help).counters("error", &api_metrics.refusals);
    let mut requests = all.family("http_requests_total", Kind::Counter, "HTTP requests by route and response status.");
    for (route, status, count) in traffic.answers() {
        requests.sample(&[("route", route), ("code", &status.to_string())], count);
    }
    all.family("http_connections", Kind::Gauge, "Open HTTP connections.").sample(&[], traffic.connections);
    let help = "HTTP connections closed to make room for new ones.";
    all.family("http_evictions_total", Kind::Counter, help).sample(&[], traffic.evictions);
}

fn operations(all: &mut Exposition, api_metrics: &ApiMetrics) {
    let mut results = all.family("operations_total", Kind::Counter, "Host operations by operation and result.");
    for operation in &api_metrics.operations {
        for (result, count) in operation.results.iter() {
            results.sample(&[("operation", operation.path), ("result", result)], count);
        }
    }
    let help = "Duration of the host operations that were started.";
    let mut durations = all.family("operation_duration_seconds", Kind::Histogram, help);
    for operation in &api_metrics.operations {
        operation.write_histogram(&mut durations);
    }
}

fn certificates(all: &mut Exposition, api_metrics: &ApiMetrics) {
    let help =
        "Sites by the state of their certificate: valid, ending (within 14 days, or ended), failed (to be issued).";
    let mut certificates = all.family("certificates", Kind::Gauge, help);
    for (state, count) in api_metrics.certificates.iter() {
        certificates.sample(&[("state", state)], count);
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
