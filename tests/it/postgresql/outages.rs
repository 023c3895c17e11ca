//! Databases that refuse, freeze or hang under load: requests get 503 in time, no answer is wrong, and all is well afterwards.

use super::instances::{HUNG, Instances, ask, verification};
use super::load::{Load, Report, Stored};
use crate::support::postgresql::{Cluster, PgBouncer, Proxy, ROLE};
use crate::support::rounds;
use crate::support::{SOON, eventually, pause};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long an outage takes: long enough for requests that were sent in it to be answered in it.
const OUTAGE: Duration = Duration::from_secs(5);

/// How long a lock is held at most.
const LOCK: Duration = Duration::from_secs(15);

/// Begins and ends an outage of the database, under load.
fn outage(name: &str, cluster: &Cluster, instances: &Instances, begin: impl FnOnce(), end: impl FnOnce()) -> Report {
    let load = Load::new(instances);
    let fault = |_: &Load| {
        begin();
        pause(rounds::longer(OUTAGE));
        end();
        Instant::now()
    };
    let report = load.during(name, fault, || Stored::of(cluster));
    assert!(report.unavailable > 0, "{name}: {report:?}");
    assert!(report.slowest_unavailable < HUNG && report.without_answer == 0, "{name}: {report:?}");
    report
}

#[test]
fn a_reached_limit_of_connections_is_503_until_there_is_room() {
    let cluster = Cluster::start();
    let instances = Instances::on(&cluster);
    let begin = || {
        cluster.psql(&format!("ALTER ROLE {ROLE} CONNECTION LIMIT 0"));
        cluster.psql(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{ROLE}'"));
    };
    let end = || drop(cluster.psql(&format!("ALTER ROLE {ROLE} CONNECTION LIMIT -1")));
    outage("connection limit reached", &cluster, &instances, begin, end);
}

#[test]
fn a_database_that_takes_no_changes_is_503_until_it_does() {
    let cluster = Cluster::start();
    let instances = Instances::on(&cluster);
    let set = |value: &str| {
        cluster.psql(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}"));
        cluster.psql("SELECT pg_reload_conf()");
    };
    outage("database read-only", &cluster, &instances, || set("on"), || set("off"));
}

#[test]
fn a_full_disk_of_the_database_is_503_until_there_is_room() {
    let cluster = Cluster::builder().on_disk(64).start();
    let instances = Instances::on(&cluster);
    let end = || {
        cluster.free_disk();
        // A server that could not write its log has ended.
        cluster.restart();
    };
    outage("disk full", &cluster, &instances, || cluster.fill_disk(), end);
}

#[test]
fn a_frozen_database_is_503_until_it_is_thawed() {
    let cluster = Cluster::start();
    let instances = Instances::on(&cluster);
    outage("database frozen", &cluster, &instances, || cluster.freeze(), || cluster.thaw());
}

#[test]
fn a_network_that_carries_nothing_is_503_until_it_does() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(cluster.port());
    let uri = Cluster::tcp_uri(proxy.port());
    let instances = Instances::reaching(&uri, &uri);
    outage("network stalled", &cluster, &instances, || proxy.stall(), || proxy.resume());
}

#[test]
fn commits_that_wait_for_a_standby_in_vain_are_503_and_never_acknowledged() {
    let cluster = Cluster::start();
    let standby = cluster.synchronous_standby();
    let instances = Instances::on(&cluster);
    let end = || {
        let health =
            instances.ports().map(|port| ask(port, &crate::support::http::Request::get("/health")).unwrap().status);
        println!("/health while the standby is gone: {health:?}");
        standby.thaw();
    };
    outage("synchronous standby gone", &cluster, &instances, || standby.freeze(), end);
}

#[test]
fn a_pooler_of_transactions_can_stand_between() {
    let cluster = Cluster::start();
    let bouncer = PgBouncer::start(&cluster, 8);
    let uri = Cluster::tcp_uri(bouncer.port());
    let instances = Instances::reaching(&uri, &uri);
    let load = Load::new(&instances);
    let work = |load: &Load| {
        load.proceeds(20);
        Instant::now()
    };
    let report = load.during("PgBouncer, transaction mode", work, || Stored::of(&cluster));
    assert_eq!((report.unavailable, report.without_answer), (0, 0), "{report:?}");
}

/// Runs SQL beside the instances and keeps what it has locked for a while; calls `meanwhile` in that time, again and again if
/// the loops are to be long.
fn while_locked(cluster: &Cluster, sql: &str, meanwhile: impl Fn()) {
    std::thread::scope(|scope| {
        let time = rounds::longer(LOCK);
        let sql = format!("BEGIN; {sql}; SELECT pg_sleep({}); COMMIT", (time + LOCK).as_secs());
        let holder = scope.spawn(move || cluster.try_psql(ROLE, &sql));
        let sleeps = || cluster.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1";
        assert!(eventually(SOON, sleeps));
        let began = Instant::now();
        loop {
            meanwhile();
            if rounds::factor() == 1 || began.elapsed() >= time {
                break;
            }
        }
        println!("held for {:?}", began.elapsed());
        // psql gives up sooner, its session does not.
        assert!(sleeps(), "the lock was not held so long");
        cluster.psql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
        let _ = holder.join();
    });
}

#[test]
fn a_locked_license_holds_up_no_other_license() {
    // In further rounds only as many as the rate limits leave.
    const CLAIMS: (usize, usize) = (150, 5);
    let claims = Cell::new(CLAIMS.0);
    let cluster = Cluster::start();
    let instances = Instances::on(&cluster);
    let (locked, free) = (instances.database().license("datacenter"), instances.database().license("datacenter"));
    let address = |number: usize| format!("198.51.100.{number}");
    let verify = |license, number: usize| {
        let began = Instant::now();
        let status = ask(instances.ports()[0], &verification(license, &address(number))).unwrap().status;
        (status, began.elapsed())
    };
    assert_eq!(verify(&locked, 0).0, 200);
    while_locked(&cluster, &format!("SELECT 1 FROM licenses WHERE id = {} FOR UPDATE", locked.id), || {
        std::thread::scope(|scope| {
            let (verify, locked) = (&verify, &locked);
            let claims: Vec<_> =
                (1..=claims.replace(CLAIMS.1)).map(|number| scope.spawn(move || verify(locked, number))).collect();
            let slowest = (1..=10).map(|number| verify(&free, number));
            let slowest = slowest.inspect(|(status, _)| assert_eq!(*status, 200)).map(|(_, time)| time).max().unwrap();
            // It keeps its slot, which needs no lock.
            let (refreshed, refresh_time) = verify(locked, 0);
            let claims: Vec<_> = claims.into_iter().map(|claim| claim.join().unwrap()).collect();
            let longest = claims.iter().map(|(_, time)| *time).max().unwrap();
            println!(
                "row lock: others {slowest:?}, its own server {refreshed} {refresh_time:?}, claims 503 {longest:?}"
            );
            assert!(claims.iter().all(|(status, _)| *status == 503), "{claims:?}");
            assert_eq!(refreshed, 200);
        });
    });
    assert_eq!(verify(&locked, 1).0, 200);
    assert_eq!(cluster.psql(&format!("SELECT count(*) FROM activations WHERE license = {}", locked.id)), "2");
}

#[test]
fn a_held_lock_of_changes_holds_up_no_server_with_a_slot() {
    let cluster = Cluster::start();
    let instances = Instances::on(&cluster);
    let license = instances.database().license("datacenter");
    let verify = |number: usize, address: &str| {
        let began = Instant::now();
        (ask(instances.ports()[number % 2], &verification(&license, address)).unwrap(), began.elapsed())
    };
    assert_eq!(verify(0, "203.0.113.1").0.status, 200);
    while_locked(&cluster, "SELECT pg_advisory_xact_lock(1332759635)", || {
        for number in 0..10 {
            assert_eq!(verify(number, "203.0.113.1").0.status, 200);
        }
        let (claim, claim_time) = verify(0, "203.0.113.2");
        let began = Instant::now();
        let body = serde_json::json!({"owner": {"name": "carol"}, "plan": "free"});
        let sale = ask(instances.ports()[1], &instances.call("POST", "/licenses", Some(&body))).unwrap();
        println!("lock of changes: activation 503 after {claim_time:?}, sale 503 after {:?}", began.elapsed());
        for answer in [&claim, &sale] {
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(answer.header("Retry-After").is_some());
        }
    });
    assert_eq!(verify(0, "203.0.113.2").0.status, 200);
}
