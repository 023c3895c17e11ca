//! `GET /metrics`: the license server's metrics. No label value comes from a client.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::rules::Decision;
use crate::store::writer::Work;
use crate::vendor_api::error_code::ErrorCode;
use opterius_base::exposition::{self, Counters, Exposition, Family, Kind, seconds};
use opterius_http::response::Response;

/// The prefix of every metric name, which names the program as Prometheus's naming practice asks.
const PREFIX: &str = "opterius_license_server_";

/// The outcome of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The license is valid for this server.
    Granted,
    /// The license is refused for this reason, which is also the label.
    Denied(&'static str),
    /// The request could not be parsed.
    Malformed,
    /// The client sent too many requests.
    RateLimited,
    /// The activation could not be stored.
    Unavailable,
}

/// The label of each outcome.
const OUTCOMES: [&str; 10] = [
    "granted",
    "cancelled",
    "suspended",
    "expired",
    "server_ip_mismatch",
    "server_limit_reached",
    "invalid_key",
    "malformed",
    "rate_limited",
    "unavailable",
];

/// The label of each sign-in result.
const SIGN_INS: [&str; 3] = ["accepted", "refused", "rate_limited"];

/// How a call of the vendor API succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// It was performed, or rehearsed.
    Done,
    /// It was a repetition and got the kept answer.
    Replayed,
}

/// The calls of the vendor API: those that succeeded, by how, and the others by the code of the error.
#[derive(Debug)]
struct ApiCalls {
    done: AtomicU64,
    replayed: AtomicU64,
    failed: Vec<(ErrorCode, AtomicU64)>,
}

impl Default for ApiCalls {
    fn default() -> Self {
        let failed = ErrorCode::ALL.iter().map(|code| (*code, AtomicU64::new(0))).collect();
        Self { done: AtomicU64::new(0), replayed: AtomicU64::new(0), failed }
    }
}

impl ApiCalls {
    fn count(&self, result: Result<CallResult, ErrorCode>) {
        let counter = match result {
            Ok(CallResult::Done) => Some(&self.done),
            Ok(CallResult::Replayed) => Some(&self.replayed),
            Err(code) => self.failed.iter().find(|(known, _)| *known == code).map(|(_, counter)| counter),
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn write(&self, family: &mut Family<'_>) {
        let mut add = |class, result, counter: &AtomicU64| {
            family.sample(&[("class", class), ("result", result)], counter.load(Ordering::Relaxed));
        };
        add("2xx", "done", &self.done);
        add("2xx", "replayed", &self.replayed);
        for (code, counter) in &self.failed {
            add(if code.status() < 500 { "4xx" } else { "5xx" }, code.as_str(), counter);
        }
    }
}

/// The counters that are not the storage writer's.
#[derive(Debug)]
pub struct Metrics {
    api_calls: ApiCalls,
    verifications: Counters<10>,
    sign_ins: Counters<3>,
    forgotten: AtomicU64,
    deferred: AtomicU64,
}

impl Outcome {
    /// The outcome of a decision about a known license.
    pub fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Granted => Self::Granted,
            Decision::Denied(denial) => Self::Denied(denial.reason()),
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Denied(reason) => reason,
            Self::Malformed => "malformed",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let (verifications, sign_ins) = (Counters::new(&OUTCOMES), Counters::new(&SIGN_INS));
        Self {
            api_calls: ApiCalls::default(),
            verifications,
            sign_ins,
            forgotten: AtomicU64::new(0),
            deferred: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// Counts a verification.
    pub fn verification(&self, outcome: Outcome) {
        self.verifications.count(outcome.label());
    }

    /// Counts a sign-in attempt: `accepted`, `refused` or `rate_limited`.
    pub fn sign_in(&self, result: &'static str) {
        self.sign_ins.count(result);
    }

    /// Counts a call of the vendor API.
    pub fn api_call(&self, result: Result<CallResult, ErrorCode>) {
        self.api_calls.count(result);
    }

    /// Counts activations deleted because their server did not verify for 30 days.
    pub fn forgotten(&self, activations: usize) {
        self.forgotten.fetch_add(u64::try_from(activations).unwrap_or(0), Ordering::Relaxed);
    }

    /// Records how many check-ins wait to be stored with their activations.
    pub fn deferred(&self, check_ins: u64) {
        self.deferred.store(check_ins, Ordering::Relaxed);
    }

    /// The response to `GET /metrics`.
    pub fn answer(&self, work: &Work) -> Response {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut all = Exposition::new(PREFIX);
        all.build_info(env!("CARGO_PKG_VERSION"));
        all.family("verifications_total", Kind::Counter, "License verifications by outcome.")
            .counters("outcome", &self.verifications);
        all.family("sign_ins_total", Kind::Counter, "Dashboard sign-in attempts by result.")
            .counters("result", &self.sign_ins);
        self.api_calls.write(&mut all.family(
            "api_calls_total",
            Kind::Counter,
            "Calls of the vendor API by class of status and result.",
        ));
        let unlabeled = [
            (
                "activations_forgotten_total",
                "Activations deleted after 30 days without a verification.",
                value(&self.forgotten),
            ),
            ("commits_total", "Database commits.", value(&work.commits)),
            ("changes_total", "Changes written by database commits.", value(&work.changes)),
        ];
        for (name, help, value) in unlabeled {
            all.family(name, Kind::Counter, help).sample(&[], value);
        }
        let spent = seconds(Duration::from_micros(value(&work.microseconds)));
        all.family("commit_seconds_total", Kind::Counter, "Time spent in database commits.").sample(&[], spent);
        let help = "Check-ins of a burst that are stored, and not yet with their activations.";
        all.family("deferred_check_ins", Kind::Gauge, help).sample(&[], value(&self.deferred));
        let failing = u8::from(work.failing.load(Ordering::Relaxed));
        all.family("storage_failing", Kind::Gauge, "1 if the last database commit failed.").sample(&[], failing);
        Response::text(200, exposition::MEDIA_TYPE, all.into_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Denial, UNKNOWN_KEY};

    #[test]
    fn every_outcome_has_its_own_counter() {
        let reasons = [
            Denial::Cancelled.reason(),
            Denial::Suspended.reason(),
            Denial::Expired(opterius_base::clock::Timestamp::from_unix(0)).reason(),
            Denial::IpMismatch { locked: [127, 0, 0, 1].into(), asking: [127, 0, 0, 2].into() }.reason(),
            Denial::ServerLimit { active: 1, allowed: 1 }.reason(),
            UNKNOWN_KEY.0,
        ];
        let mut outcomes: Vec<Outcome> = reasons.into_iter().map(Outcome::Denied).collect();
        outcomes.extend([Outcome::Granted, Outcome::Malformed, Outcome::RateLimited, Outcome::Unavailable]);
        assert_eq!(outcomes.len(), OUTCOMES.len());
        let metrics = Metrics::default();
        for outcome in outcomes {
            metrics.verification(outcome);
        }
        let text = String::from_utf8(metrics.answer(&Work::default()).body.to_vec()).unwrap();
        for label in OUTCOMES {
            let line = format!("opterius_license_server_verifications_total{{outcome=\"{label}\"}} 1\n");
            assert!(text.contains(&line), "{line}{text}");
        }
    }
}
