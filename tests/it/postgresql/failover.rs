//! Instances, databases and primaries that are killed under load: what was acknowledged is there afterwards.

use super::instances::{HUNG, Instances, of_servers};
use super::load::{Load, Stored};
use crate::support::postgresql::Cluster;
use crate::support::rounds;
use std::time::{Duration, Instant};

/// Service is back within 10 s. The rest is for a machine that is busy with other tests.
const BACK: Duration = Duration::from_secs(20);

#[test]
fn a_killed_instance_loses_nothing_that_was_acknowledged() {
    let cluster = Cluster::start();
    let mut instances = Instances::on(&cluster);
    let load = Load::new(&instances);
    let kill = |load: &Load| {
        for _ in 0..2 * rounds::factor() {
            for number in 0..2 {
                instances.each[number].kill();
                load.proceeds(2);
                instances.each[number].restart();
                load.moved(&instances);
                load.proceeds(1);
            }
        }
        Instant::now()
    };
    let report =
        load.during(&format!("kill -9 of an instance, {} times", 4 * rounds::factor()), kill, || Stored::of(&cluster));
    assert!(report.back_after < BACK, "{report:?}");
}

#[test]
fn a_killed_database_loses_nothing_that_was_acknowledged() {
    let cluster = Cluster::start();
    let instances = Instances::on(&cluster);
    let load = Load::new(&instances);
    let kill = |load: &Load| {
        let mut well_since = Instant::now();
        for _ in 0..3 * rounds::factor() {
            cluster.kill();
            crate::support::pause(Duration::from_millis(700));
            cluster.restart();
            well_since = Instant::now();
            load.proceeds(1);
        }
        well_since
    };
    let report =
        load.during(&format!("kill -9 of the database, {} times", 3 * rounds::factor()), kill, || Stored::of(&cluster));
    assert!(report.back_after < BACK && report.slowest_unavailable < HUNG && report.unavailable > 0, "{report:?}");
}

#[test]
fn a_promoted_standby_has_all_that_was_acknowledged() {
    for _ in 0..rounds::factor() {
        fail_over();
    }
}

fn fail_over() {
    let primary = Cluster::start();
    let standby = primary.synchronous_standby();
    // The second instance names them in the other order.
    let ports = [primary.port(), standby.port()];
    let instances = Instances::reaching(&of_servers(&ports), &of_servers(&[ports[1], ports[0]]));
    let load = Load::new(&instances);
    let fail_over = |_: &Load| {
        primary.kill();
        standby.promote();
        Instant::now()
    };
    let report = load.during("primary killed, standby promoted", fail_over, || Stored::of(&standby));
    assert!(report.back_after < BACK && report.slowest_unavailable < HUNG, "{report:?}");
}
