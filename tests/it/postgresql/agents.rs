//! Real Agents while instances and the primary are killed: none is restricted.

use super::instances::{Instances, of_servers};
use crate::support::agent::Agent;
use crate::support::http::Request;
use crate::support::postgresql::Cluster;
use crate::support::rounds;
use crate::support::{SOON, SetOnDrop, eventually, pause};
use opterius_base::clock::{Clock as _, SystemClock};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ADDRESSES: [&str; 3] = ["203.0.113.1", "203.0.113.2", "203.0.113.3"];

/// The time between two checks that an Agent is asked for.
const PACE: Duration = Duration::from_millis(250);

/// An Agent that knows both instances; the first one is another for each second Agent.
fn agent(number: usize, instances: &Instances, key: &str) -> Agent {
    let [one, other] = instances.each.each_ref().map(|instance| instance.url());
    let servers = if number.is_multiple_of(2) { format!("{one}, {other}") } else { format!("{other}, {one}") };
    Agent::builder()
        .set("license_server", &servers)
        .set("license_key", key)
        .set("license_public_key", &instances.each[0].public_keys())
        .set("server_ip", ADDRESSES[number])
        .start_licensed()
}

/// Makes an Agent verify again and again until `over`, and looks at its standing. Returns how often it was in each state.
fn watch(agent: &Agent, over: &AtomicBool) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    while !over.load(Ordering::Relaxed) {
        agent.signal(Signal::HUP);
        pause(PACE);
        let status = agent.status();
        let state = status["state"].as_str().unwrap();
        assert!(status["valid"] == true && ["active", "grace"].contains(&state), "{status}");
        *states.entry(state.to_owned()).or_default() += 1;
        // It passes the gate; its operation does not exist.
        let write = agent.fetch(Request::post("/email/create").body("{}").signed());
        assert_eq!(write.status, 501, "{}", write.text());
    }
    states
}

/// Waits until each Agent has verified in a later second than this one; returns how long that took.
fn verified_by_all(agents: &[Agent]) -> Duration {
    let (began, now) = (Instant::now(), json!(SystemClock.wall()));
    let verified = |status: &Value| status["last_verified_at"].as_str() > now.as_str();
    let all = || agents.iter().all(|agent| verified(&agent.status()));
    assert!(eventually(SOON, all), "{now} {:#?}", agents.iter().map(Agent::status).collect::<Vec<_>>());
    began.elapsed()
}

#[test]
fn no_agent_is_restricted_while_instances_and_the_primary_are_killed() {
    let primary = Cluster::start();
    let standby = primary.synchronous_standby();
    let ports = [primary.port(), standby.port()];
    let mut instances = Instances::reaching(&of_servers(&ports), &of_servers(&[ports[1], ports[0]]));
    let license = instances.database().license("business");
    let agents: Vec<Agent> = (0..ADDRESSES.len()).map(|number| agent(number, &instances, &license.key)).collect();
    let over = AtomicBool::new(false);
    let states: Vec<_> = std::thread::scope(|scope| {
        let end = SetOnDrop(&over);
        let watchers: Vec<_> = agents.iter().map(|agent| scope.spawn(|| watch(agent, &over))).collect();
        for _ in 0..rounds::factor() {
            for instance in &mut instances.each {
                instance.kill();
                println!("an instance killed: all Agents verified after {:?}", verified_by_all(&agents));
                instance.restart_in_place();
                println!("and started again: {:?}", verified_by_all(&agents));
            }
        }
        primary.kill();
        let began = Instant::now();
        standby.promote();
        let (promoted, verified) = (began.elapsed(), verified_by_all(&agents));
        println!("primary killed, standby promoted after {promoted:?}: all Agents verified after {verified:?} more");
        drop(end);
        watchers.into_iter().map(|watcher| watcher.join().unwrap()).collect()
    });
    println!("states of the Agents, by how often each was seen: {states:?}");
    // Past the Agents: each has the slot that it had, and its check-in since the promotion.
    let slots = format!("SELECT string_agg(ip, ' ' ORDER BY ip) FROM activations WHERE license = {}", license.id);
    assert_eq!(standby.psql(&slots), ADDRESSES.join(" "));
}
