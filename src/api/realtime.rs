//! `GET /metrics/realtime` and `POST /stats/server`: host metrics from the sampler. The Agent answers them itself: they
//! need no privileges.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::api::sampler::{Metrics, Published};
use opterius_base::text::duration;
use opterius_host::measure::system_stats::Snapshot;
use opterius_http::lane::busy;
use opterius_http::response::{JSON, Response};
use opterius_http::service::Reaction;

/// Renders the response of one of the two routes, `uptime` after boot.
type Answer = fn(&Published, Duration) -> Response;

#[derive(Serialize)]
struct ServerStats<'a> {
    stats: Stats<'a>,
}

#[derive(Serialize)]
struct Stats<'a> {
    #[serde(flatten)]
    snapshot: &'a Snapshot,
    uptime_seconds: u64,
    uptime: String,
}

/// The recent snapshots.
pub fn snapshots(metrics: &Metrics, now: Duration) -> Reaction {
    react(metrics, now, |published, _| Response {
        status: 200,
        content_type: JSON,
        headers: Vec::new(),
        body: Arc::clone(&published.body),
        tail: None,
    })
}

/// The latest snapshot.
pub fn server(metrics: &Metrics, now: Duration) -> Reaction {
    react(metrics, now, |published, uptime| {
        let stats = Stats { snapshot: &published.latest, uptime_seconds: uptime.as_secs(), uptime: duration(uptime) };
        Response::json(200, &ServerStats { stats })
    })
}

/// Answers from memory. The first request waits for the first snapshot, without blocking a thread.
fn react(metrics: &Metrics, now: Duration, answer: Answer) -> Reaction {
    if let Some(published) = metrics.latest(now) {
        return Reaction::Answer(answer(&published, now));
    }
    let metrics = metrics.clone();
    Reaction::Deferred(Box::new(move |responder| {
        metrics.request(
            now,
            Box::new(move |published| {
                responder.answer(published.map_or_else(busy, |published| answer(&published, now)));
            }),
        );
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_server_is_one_object_of_numbers_with_its_uptime() {
        let published = Published { body: Arc::default(), latest: Snapshot::default() };
        let uptime = Duration::from_secs(90_061);
        let stats = Stats { snapshot: &published.latest, uptime_seconds: uptime.as_secs(), uptime: duration(uptime) };
        let body: Value = serde_json::to_value(ServerStats { stats }).unwrap();
        let stats = body["stats"].as_object().unwrap();
        assert_eq!((&stats["uptime_seconds"], &stats["uptime"]), (&90_061.into(), &"1 day 1 h 1 min".into()));
        for name in ["cpu_percent", "mem_used_mb", "mem_total_mb", "disk_used_gb", "disk_total_gb", "load_avg_1"] {
            assert!(stats[name].is_number(), "{name}");
        }
    }
}
