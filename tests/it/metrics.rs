//! Host metrics from the real daemon.

use super::support::agent::Agent;
use super::support::eventually;
use super::support::http::{Request, Response};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The Panel's timeout.
const PANEL: Duration = Duration::from_secs(5);

/// The members that the Panel reads (contract.md §2A); its page formats each as a number.
const MEMBERS: [&str; 12] = [
    "cpu_percent",
    "disk_percent",
    "disk_total_gb",
    "disk_used_gb",
    "load_avg_1",
    "load_avg_15",
    "load_avg_5",
    "mem_percent",
    "mem_total_mb",
    "mem_used_mb",
    "network_in_kb",
    "network_out_kb",
];

fn snapshots(response: &Response) -> Vec<Value> {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["snapshots"].as_array().unwrap().clone()
}

#[test]
fn metrics_need_no_signature_and_the_first_answer_has_data() {
    let agent = Agent::unlicensed();
    let begun = Instant::now();
    let first = snapshots(&agent.fetch(Request::get("/metrics/realtime")));
    assert!(begun.elapsed() < PANEL && first.len() == 1, "{first:?}");
    let members = first[0].as_object().unwrap();
    assert_eq!(members.keys().map(String::as_str).collect::<Vec<_>>(), MEMBERS);
    for (name, number) in members {
        let number = number.as_f64().unwrap();
        assert!(number >= 0.0 && (!name.ends_with("_percent") || number < 1000.0), "{name}: {number}");
    }
    assert!(members["mem_total_mb"].as_u64() > members["mem_used_mb"].as_u64(), "{members:?}");
    let two = eventually(PANEL * 3, || snapshots(&agent.fetch(Request::get("/metrics/realtime"))).len() == 2);
    assert!(two, "no second snapshot");
}

#[test]
fn simultaneous_requests_share_one_snapshot() {
    let agent = Agent::unlicensed();
    let answers: Vec<Response> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..50).map(|_| scope.spawn(|| agent.fetch(Request::get("/metrics/realtime")))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let first = snapshots(&answers[0]);
    assert!(
        answers.iter().all(|answer| snapshots(answer) == first),
        "more than one snapshot for simultaneous requests"
    );
}

#[test]
fn server_statistics_need_no_valid_license() {
    let agent = Agent::unlicensed();
    let request = Request::post("/stats/server");
    assert_eq!(agent.fetch(request.clone()).status, 401);
    let answer = agent.fetch(request.signed());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let stats = answer.json()["stats"].clone();
    for name in MEMBERS.into_iter().chain(["uptime_seconds"]) {
        assert!(stats[name].is_number(), "{name}: {stats}");
    }
    assert!(stats["uptime"].is_string(), "{stats}");
}
