//! An instance whose clock is wrong by an hour, beside one whose clock is right.

use super::instances::{Instances, ask, verification};
use crate::dashboard::second_factors::{code, enrol, first_step, send_code};
use crate::dashboard::visitor::{Server, Visitor};
use crate::dashboard::{OTHER_OWNER, add_users};
use crate::support::http::Request;
use crate::support::license_database::{LicenseDatabase, OWNER, operator};
use crate::support::license_server_process::VERIFY;
use crate::support::postgresql::Cluster;
use crate::support::timed_license_server::TimedLicenseServer;
use opterius_license_server::actions;
use opterius_license_server::model::LinkPurpose;
use serde_json::json;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

const MINUTE: Duration = Duration::from_secs(60);

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

/// A link for a new password of the user, made by the clock of an instance.
fn reset_link(made_by: &LicenseDatabase, name: &str) -> String {
    let user = made_by.read(|transaction| transaction.user(name)).unwrap().0;
    let link = made_by
        .change(|transaction| actions::make_password_link(transaction, &operator(), user.id, LinkPurpose::Reset));
    link.path.expose().to_owned()
}

#[test]
fn sessions_are_good_on_every_instance_and_codes_and_links_go_by_its_clock() {
    let cluster = Cluster::start();
    let instances = Instances::on(&cluster);
    let database = instances.database();
    add_users(database);
    let right = &instances.each[0];
    // A little more than an hour, because this clock stands still.
    let (now, off) = (database.now(), HOUR + MINUTE);
    for (name, wall, is_ahead) in [(OWNER, now.plus(off), true), (OTHER_OWNER, now.minus(off), false)] {
        let wrong = TimedLicenseServer::on_database_of(database, wall);
        let status = |server: &dyn Server, cookies, path: &str| {
            let mut visitor = Visitor::new(server);
            visitor.cookies = cookies;
            visitor.get(path).status
        };
        let mut visitor = Visitor::signed_in(right, name);
        assert_eq!(status(&wrong, visitor.cookies.clone(), "/licenses"), 200);
        let cookies = Visitor::signed_in(&wrong, name).cookies;
        assert_eq!(status(right, cookies, "/licenses"), 200);

        // A link for an hour.
        let opens =
            |server: &dyn Server, made_by| status(server, Default::default(), &reset_link(made_by, name)) == 200;
        let of_right = [opens(right, database), opens(&wrong, database)];
        let of_wrong = [opens(right, &wrong.database), opens(&wrong, &wrong.database)];
        println!(
            "ahead: {is_ahead}. A link opens on the right and the wrong instance: {of_right:?}, made by the wrong: {of_wrong:?}"
        );
        assert_eq!((of_right, of_wrong), ([true, !is_ahead], [is_ahead, true]));

        let (secret, recovery) = enrol(&mut visitor);
        let attempt = |server: &dyn Server, code: &str| {
            let mut visitor = Visitor::new(server);
            let ticket = first_step(&mut visitor, name);
            send_code(&mut visitor, &ticket, code).status
        };
        let statuses = [
            attempt(&wrong, &code(&secret, 0)),
            attempt(&wrong, &recovery[0]),
            attempt(right, &recovery[0]),
            attempt(right, &code(&secret, 0)),
        ];
        assert_eq!(
            statuses,
            [422, 303, 422, 303],
            "the code of now and a recovery code on the wrong one, then on the right one"
        );
    }
}
