//! What the pages show: licenses, servers and users of all kinds, with names as long as they can be.

use super::*;
use crate::support::SOON;
use crate::support::license_database::{LicenseDatabase, operator};
use opterius_license_server::actions::{self, Change};
use opterius_license_server::model::{
    Attempt, Billing, Checks, ClonedLicense, Day, Details, Figures, Plan, PlanFigures, VersionFigures,
};
use opterius_license_server::rules::{self, Inquiry};
use opterius_license_server::store::{Database, Error};
use opterius_license_server::webhooks::receiver_address::Receivers;
use std::time::Duration;

/// A license with all kinds of servers, and licenses in all states.
pub(super) fn populate(server: &LicenseServerProcess) {
    let database = &server.database;
    add_webhook(database);
    let end = |days: u64| Some(database.now().plus(Duration::from_secs(days * 86_400)));
    let business = database.license_until("business", end(400), None);
    let long = "a-rather-long-hostname-that-is-hard-to-type.of-a-customer.with-a-long-domain-name.example.com";
    for (number, days, hostname, identity) in [
        (0, 20, "old.example.com", "one"),
        (1, 0, "web-1.example.com", "two"),
        (2, 0, long, "three"),
        (3, 0, "copy.example.com", "two"),
    ] {
        let details = Details {
            hostname: Some(hostname.to_owned()),
            agent_version: Some("0.1.0".to_owned()),
            panel_version: Some("2.8.14".to_owned()),
            os: Some("Linux 6.1.0-13-amd64".to_owned()),
            server_id: Some(identity.to_owned()),
        };
        let ip = SERVERS[number].parse().unwrap();
        let inquiry = Inquiry { observed_ip: "127.0.0.1".parse().unwrap(), reported_ip: Some(ip), ip, details };
        let then = database.now().minus(Duration::from_secs(days * 86_400));
        let mut database = Database::open(database.data_dir.database()).unwrap();
        database
            .change(then, |transaction| {
                rules::verify(transaction, &transaction.license(business.id)?.unwrap(), &inquiry).map(drop)
            })
            .unwrap_or_else(|error: Error| panic!("{error}"));
    }
    let ip6 = "2001:db8:1234:5678:9abc:def0:1234:5678";
    check_in(server, &business, ip6);
    database.apply_change(business.id, Change::SetPlan("free".to_owned()));
    for refused in ["2001:db8:1234:5678:9abc:def0:1234:9999", "203.0.113.200"] {
        server.verify(&json!({"key": business.key, "server_ip": refused, "hostname": long, "agent_version": "0.1.0"}));
    }
    assert!(eventually(SOON, || database.refused(business.id).len() == 2));
    let kept_out = "2001:db8:1234:5678:9abc:def0:1234:8888";
    database.keep_out(business.id, kept_out, Duration::from_secs(7 * 86_400));
    let billing = Billing {
        subscription_status: Some("past_due".to_owned()),
        cancel_at_period_end: Some(true),
        current_period_end: end(30),
    };
    database.apply_change(business.id, Change::SetBilling(billing));
    let locked = database.license_until("datacenter", None, Some(ip6));
    database.apply_change(locked.id, Change::Suspend);
    let cancelled = database.license("starter");
    database.apply_change(cancelled.id, Change::Cancel);
    crowd(server);
}

/// A license of an owner with a long name, which ends soon and has 330 servers, half of them with long IPv6 addresses.
fn crowd(server: &LicenseServerProcess) {
    let end = server.database.now().plus(Duration::from_secs(3 * 86_400));
    let owner = format!("{}@a-long-domain-name.of-a-customer.example.com", "first.middle.last-name".repeat(3));
    server.database.change(|transaction| {
        actions::add_user(transaction, &operator(), &owner, "no password", false)?;
        let key = actions::new_key()?;
        let id = actions::create(transaction, &operator(), &owner, "datacenter", Some(end), None, &key)?;
        let mut license = transaction.license(id)?.unwrap();
        license.reference = Some("WHMCS-2026-11-000123-of-a-reseller-with-a-long-number".to_owned());
        license.labels = vec!["reseller".to_owned(), "a-label-of-thirty-two-characters".to_owned()];
        license.note = "Called on 2026-11-02 about 2001:db8:1234:5678:9abc:def0:1234:5678.".to_owned();
        license.is_trial = true;
        transaction.update_license(&license)?;
        for number in 0..330_u16 {
            let ip: std::net::IpAddr = if number % 2 == 0 {
                format!("2001:db8:1234:5678:9abc:def0:1234:{:x}", 0x1000 + number).parse().unwrap()
            } else {
                let [block, last] = number.to_be_bytes();
                std::net::IpAddr::from([203, 0, 113 - block, last])
            };
            let details = Details {
                hostname: Some(format!("server-{number}.a-rather-long-name.of-a-customer.example.com")),
                agent_version: Some("0.1.0".to_owned()),
                ..Details::default()
            };
            let inquiry = Inquiry { observed_ip: ip, reported_ip: None, ip, details };
            rules::verify(transaction, &transaction.license(id)?.unwrap(), &inquiry)?;
        }
        Ok(())
    });
}

/// A webhook with a long URL, a delivery of each state, and long answers.
fn add_webhook(database: &LicenseDatabase) {
    let url = format!("https://shop.example.com/opterius/webhooks/{}", "a-long-path/".repeat(8));
    let answer = |text: &str| text.repeat(12);
    database.change(|transaction| {
        actions::add_webhook(transaction, &operator(), &url, None, Receivers::Public)?;
        for number in 1..=3 {
            actions::test_webhook(transaction, &operator(), 1)?;
            let (is_accepted, status) = (number == 1, if number == 1 { 200 } else { 503 });
            let next_at = (number == 2).then(|| transaction.now().plus(Duration::from_secs(3600)));
            let attempt = Attempt { is_accepted, status: Some(status), answer: answer("out_of_order "), next_at };
            transaction.record_attempt(1, number, &attempt)?;
        }
        Ok(())
    });
}

/// Figures as no vendor has them, of 60 days with gaps, and a plan with a name as long as it can be.
pub(super) fn add_huge_figures(database: &LicenseDatabase) {
    let plan = Plan {
        slug: "a-plan-with-a-long-slug".to_owned(),
        name: "Reseller-Enterprise-Unlimited-Datacenter-Plus, yearly, for A–Z".to_owned(),
        max_accounts: 1,
        max_servers: 1,
    };
    let versions = (0..10_u64).map(|number| {
        let version = Some(format!("{number}.0.0-{}", "beta.with.a.long.name.".repeat(5)));
        VersionFigures { version, servers: 1_234_567_890 / (number + 1) }
    });
    let plans =
        [("free", 987_654_321_098), ("a-plan-with-a-long-slug", 123_456_789), ("starter", 5)].map(|(plan, number)| {
            PlanFigures {
                plan: plan.to_owned(),
                active: number,
                suspended: number / 7,
                cancelled: number / 20,
                expired: number / 4,
                expiring: number / 10,
            }
        });
    let figures = Figures {
        at: database.now(),
        plans: plans.to_vec(),
        servers: u64::MAX,
        versions: versions.collect(),
        other_versions: 7,
        clones: 1_000_000_000,
        cloned: (1..=10).map(|license| ClonedLicense { license, clones: 9_876_543_210 }).collect(),
    };
    let today = Day::of(database.now());
    database.change(|transaction| {
        actions::set_plan(transaction, &operator(), &plan)?;
        for back in (1..60_u32).filter(|back| !(20..25).contains(back) && *back != 40) {
            let number = u64::from(back % 13 + 1) * 123_456_789_012_345;
            let checks = Checks { granted: number * 24, refused: u64::from(back % 7) * 1000 };
            transaction.add_to_day(today.minus(back), checks, Some(number).filter(|_| back != 30))?;
        }
        transaction.put_figures(&figures)?;
        Ok(())
    });
}
