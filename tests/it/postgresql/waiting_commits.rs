//! Commits that wait for a standby in vain: the sessions that wait are ended, so that the server keeps room for others.

use super::instances::{HUNG, Instances};
use super::load::{Load, Stored};
use crate::support::pause;
use crate::support::postgresql::{Cluster, ROLE};
use crate::support::rounds;
use std::time::{Duration, Instant};

/// How long the standby is away: as long as ten commits of each instance wait.
const AWAY: Duration = Duration::from_secs(25);

/// A session that waits in this time must not wait at the end, which is 20 s later at least.
const EARLY: Duration = Duration::from_secs(5);

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
    let waiting_now = || -> Vec<String> {
        let sql = format!("SELECT pid FROM pg_stat_activity WHERE usename = '{ROLE}' AND wait_event = 'SyncRep'");
        cluster.psql(&sql).lines().map(str::to_owned).collect()
    };
    let (mut waiting, mut busy, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let (mut early, mut late) = (Vec::new(), Vec::new());
    let away = |_: &Load| {
        standby.freeze();
        let began = Instant::now();
        while began.elapsed() < rounds::longer(AWAY) {
            late = waiting_now();
            waiting.push(late.len());
            if began.elapsed() < EARLY {
                early.extend(late.clone());
            }
            busy.push(count("state <> 'idle'"));
            all.push(count("TRUE"));
            pause(Duration::from_millis(500));
        }
        standby.thaw();
        Instant::now()
    };
    let report = load.during("synchronous standby away for long", away, || Stored::of(&cluster));
    println!("sessions that wait for the standby: {waiting:?}, that are not idle: {busy:?}, all: {all:?}");
    assert!(report.unavailable > 0 && !early.is_empty(), "{report:?}");
    assert!(report.slowest_unavailable < HUNG, "{report:?}");
    assert!(!late.iter().any(|session| early.contains(session)), "{late:?} still wait");
    assert!(busy.iter().all(|busy| *busy <= 2 * BUSY), "they pile up: {busy:?}");
}
