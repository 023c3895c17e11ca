//! Commits that wait for a standby in vain: the sessions that wait are ended, so that the server keeps room for others.

use super::instances::{HUNG, Instances};
use super::load::{Load, Stored};
use super::rounds;
use crate::support::pause;
use crate::support::postgresql::{Cluster, ROLE};
use std::time::{Duration, Instant};

/// How long the standby is away: as long as seven commits of each instance wait.
const AWAY: Duration = Duration::from_secs(20);

/// The most sessions of an instance that are not idle: its writer, a commit that it has just given up, its duties, and readers.
const BUSY: usize = 5;

#[test]
fn sessions_do_not_pile_up_while_the_standby_is_away() {
    let cluster = Cluster::start();
    let standby = cluster.synchronous_standby();
    let instances = Instances::on(&cluster);
    let load = Load::new(&instances);
    let count = |which: &str| -> usize {
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{ROLE}' AND {which}");
        cluster.psql(&sql).parse().unwrap()
    };
    let (mut waiting, mut busy, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let away = |_: &Load| {
        standby.freeze();
        let began = Instant::now();
        while began.elapsed() < rounds::longer(AWAY) {
            waiting.push(count("wait_event = 'SyncRep'"));
            busy.push(count("state <> 'idle'"));
            all.push(count("TRUE"));
            pause(Duration::from_millis(500));
        }
        standby.thaw();
        Instant::now()
    };
    let report = load.during("synchronous standby away for long", away, || Stored::of(&cluster));
    println!("sessions that wait for the standby: {waiting:?}, that are not idle: {busy:?}, all: {all:?}");
    assert!(report.unavailable > 0 && waiting.iter().any(|waiting| *waiting > 0), "{report:?}");
    assert!(report.slowest_unavailable < HUNG, "{report:?}");
    assert!(busy.iter().all(|busy| *busy <= 2 * BUSY), "they pile up: {busy:?}");
}
