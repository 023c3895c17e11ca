//! An instance whose clock is wrong by an hour, beside one whose clock is right.

use super::instances::{Instances, ask, verification};
use crate::support::http::Request;
use crate::support::license_server_process::VERIFY;
use crate::support::postgresql::Cluster;
use crate::support::timed_license_server::TimedLicenseServer;
use serde_json::json;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_instance_an_hour_ahead_or_behind_takes_no_slot_and_gives_none_away() {
    let cluster = Cluster::start();
    let instances = Instances::on(&cluster);
    let database = instances.database();
    let now = database.now();
    for (name, wall) in [("ahead", now.plus(HOUR)), ("behind", now.minus(HOUR))] {
        let wrong = TimedLicenseServer::on_database_of(database, wall);
        let license = database.license("business");
        let on_wrong = |address: &str| {
            let question = json!({"key": license.key, "server_ip": address});
            wrong.fetch(Request::post(VERIFY).body(question.to_string()))
        };
        let on_right = |address: &str| ask(instances.ports()[0], &verification(&license, address)).unwrap();
        let address = |number: usize| format!("203.0.113.{number}");
        // Each activates on one and checks in on the other.
        for number in 1..=5 {
            let [first, second] = match number % 2 {
                0 => [on_wrong(&address(number)), on_right(&address(number))],
                _ => [on_right(&address(number)), on_wrong(&address(number))],
            };
            assert_eq!((first.status, second.status), (200, 200), "{name}: {} {}", first.text(), second.text());
        }
        let refused = [on_wrong(&address(6)), on_right(&address(6))];
        refused.iter().for_each(|answer| assert_eq!(answer.status, 403, "{name}: {}", answer.text()));
        let of = |what: &str| cluster.psql(&format!("SELECT {what} FROM activations WHERE license = {}", license.id));
        // The later of both clocks stays: a check-in never goes back.
        let (now, wall) = (now.unix(), wall.unix());
        println!(
            "clock an hour {name}: check-ins from {} to {} s of now",
            of(&format!("min(last_seen_at) - {now}")),
            of(&format!("max(last_seen_at) - {now}"))
        );
        assert_eq!(of(&format!("count(*) FILTER (WHERE last_seen_at >= {})", now.max(wall))), "5", "{name}");
        assert_eq!(of("count(*)"), "5", "{name}");
        // The history is in the order of what happened, whatever the clocks say.
        let entries = "SELECT string_agg(actor, ' ' ORDER BY id) FROM events WHERE action = 'activated' AND license = ";
        let expected: Vec<String> = (1..=5).map(address).collect();
        assert_eq!(cluster.psql(&format!("{entries}{}", license.id)), expected.join(" "), "{name}");
    }
}
