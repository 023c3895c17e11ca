//! What is counted, as `GET /metrics` shows it (Prometheus text exposition format 0.0.4). No label value comes from a
//! client.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::http::response::Response;
use crate::server::rules::Decision;
use crate::server::store::writer::Work;

/// The media type of the format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a verification came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Yes.
    Granted,
    /// No: this reason's place in `OUTCOMES`.
    Denied(&'static str),
    /// No question.
    Malformed,
    /// Too often.
    RateLimited,
    /// Nothing could be stored.
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

/// The labels of sign-ins.
const SIGN_INS: [&str; 3] = ["accepted", "refused", "rate_limited"];

/// All counters.
#[derive(Debug, Default)]
pub struct Metrics {
    verifications: [AtomicU64; 10],
    sign_ins: [AtomicU64; 3],
    forgotten: AtomicU64,
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

fn count(counters: &[AtomicU64], labels: &[&str], label: &str) {
    let counter = labels.iter().zip(counters).find(|(known, _)| **known == label);
    if let Some((_, counter)) = counter {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Counts a verification.
    pub fn verification(&self, outcome: Outcome) {
        count(&self.verifications, &OUTCOMES, outcome.label());
    }

    /// Counts an attempt to sign in: `accepted`, `refused` or `rate_limited`.
    pub fn sign_in(&self, result: &'static str) {
        count(&self.sign_ins, &SIGN_INS, result);
    }

    /// Counts activations that were deleted after 30 days without a sign.
    pub fn forgotten(&self, activations: usize) {
        self.forgotten.fetch_add(u64::try_from(activations).unwrap_or(0), Ordering::Relaxed);
    }

    /// The answer to `GET /metrics`.
    pub fn answer(&self, work: &Work) -> Response {
        let mut text = String::new();
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        family(&mut text, "license_server_build_info", "gauge", "The version that runs.");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "license_server_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        let labelled = [
            ("license_server_verifications_total", "outcome", "Verifications.", &OUTCOMES[..], &self.verifications[..]),
            ("license_server_sign_ins_total", "result", "Attempts to sign in.", &SIGN_INS[..], &self.sign_ins[..]),
        ];
        for (name, label, help, labels, counters) in labelled {
            family(&mut text, name, "counter", help);
            for (word, counter) in labels.iter().zip(counters) {
                let _ = writeln!(text, "{name}{{{label}=\"{word}\"}} {}", value(counter));
            }
        }
        let plain = [
            (
                "license_server_activations_forgotten_total",
                "Activations deleted after 30 days.",
                value(&self.forgotten),
            ),
            ("license_server_commits_total", "Commits to the database.", value(&work.commits)),
            ("license_server_changes_total", "Changes in those commits.", value(&work.changes)),
        ];
        for (name, help, value) in plain {
            family(&mut text, name, "counter", help);
            let _ = writeln!(text, "{name} {value}");
        }
        let name = "license_server_commit_seconds_total";
        family(&mut text, name, "counter", "Time spent in commits.");
        let microseconds = value(&work.microseconds);
        let _ = writeln!(text, "{name} {}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000);
        family(&mut text, "license_server_storage_failing", "gauge", "1 while nothing can be stored.");
        let _ = writeln!(text, "license_server_storage_failing {}", u8::from(work.failing.load(Ordering::Relaxed)));
        Response { status: 200, content_type: TEXT, headers: Vec::new(), body: Arc::new(text.into_bytes()) }
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::rules::{Denial, UNKNOWN_KEY};

    #[test]
    fn every_outcome_has_a_counter_of_its_own() {
        let reasons = [
            Denial::Cancelled.reason(),
            Denial::Suspended.reason(),
            Denial::Expired(crate::clock::Timestamp::from_unix(0)).reason(),
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
            let line = format!("license_server_verifications_total{{outcome=\"{label}\"}} 1\n");
            assert!(text.contains(&line), "{line}{text}");
        }
    }
}
