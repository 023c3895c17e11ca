//! That the laboratory does what the tests of faults rely on: shown with psql and pgbench, without the license server.

use crate::support::postgresql::{Cluster, Lost, PgBouncer, Proxy, ROLE};
use crate::support::{SOON, eventually};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// How long a server has for an answer that must not come.
const MOMENT: Duration = Duration::from_millis(500);

const TABLE: &str = "CREATE TABLE marks (mark BIGINT PRIMARY KEY); GRANT ALL ON marks TO opterius";

fn insert(mark: u32) -> String {
    format!("INSERT INTO marks VALUES ({mark})")
}

fn marks(cluster: &Cluster) -> String {
    cluster.psql("SELECT string_agg(mark::text, ' ' ORDER BY mark) FROM marks")
}

#[test]
fn a_killed_cluster_keeps_what_was_committed() {
    let cluster = Cluster::start();
    cluster.psql(TABLE);
    for mark in 1..=5 {
        cluster.psql(&insert(mark));
        cluster.kill();
        assert!(!cluster.is_running());
        cluster.restart();
    }
    assert_eq!(marks(&cluster), "1 2 3 4 5");
    cluster.stop();
    assert!(!cluster.is_running());
    cluster.restart();
    assert_eq!(marks(&cluster), "1 2 3 4 5");
    assert_eq!(cluster.psql("SHOW fsync"), "on");
}

#[test]
fn a_connection_over_tcp_needs_the_password() {
    let cluster = Cluster::start();
    let port = cluster.port();
    assert_eq!(Cluster::tcp_psql(port, "SELECT current_user").as_deref(), Ok(ROLE));
    let without = "SELECT count(*) FROM pg_hba_file_rules WHERE type = 'host' AND auth_method <> 'scram-sha-256'";
    assert_eq!(cluster.psql(without), "0");
}

#[test]
fn a_frozen_cluster_accepts_connections_and_answers_none() {
    let cluster = Cluster::start();
    // A child that the server had before it was frozen.
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| cluster.psql("SELECT pg_sleep(3)"));
        let sleeps = || cluster.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1";
        assert!(eventually(SOON, sleeps));
        cluster.freeze();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, cluster.port())).is_ok());
        assert!(!cluster.answers_within(MOMENT));
        assert!(!sleeper.is_finished());
        cluster.thaw();
        assert!(cluster.answers_within(SOON));
        sleeper.join().unwrap();
    });
}

#[test]
fn a_commit_waits_for_the_synchronous_standby_which_can_take_over() {
    let primary = Cluster::start();
    primary.psql(TABLE);
    let standby = primary.synchronous_standby();
    primary.psql(&insert(1));
    standby.freeze();
    std::thread::scope(|scope| {
        let commit = scope.spawn(|| primary.psql(&insert(2)));
        let waits = || primary.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1";
        assert!(eventually(SOON, waits), "the commit does not wait for the standby");
        assert!(!commit.is_finished());
        standby.thaw();
        commit.join().unwrap();
    });
    assert!(standby.try_psql(ROLE, &insert(3)).unwrap_err().contains("read-only"));
    primary.kill();
    standby.promote();
    standby.psql(&insert(3));
    assert_eq!(marks(&standby), "1 2 3");
    // The new primary can have a standby of its own.
    let next = standby.synchronous_standby();
    standby.psql(&insert(4));
    standby.kill();
    next.promote();
    next.psql(&insert(5));
    assert_eq!(marks(&next), "1 2 3 4 5");
}

#[test]
fn a_full_disk_fails_changes_until_it_has_space_again() {
    let cluster = Cluster::builder().on_disk(64).start();
    cluster.psql(TABLE);
    cluster.psql(&insert(0));
    cluster.fill_disk();
    let fail = || {
        (1..1000).any(|mark| {
            cluster
                .try_psql(ROLE, &format!("INSERT INTO marks SELECT {mark} * 10000 + generate_series(0, 9999)"))
                .is_err()
        })
    };
    assert!(fail(), "the disk is not full");
    assert!(cluster.log().contains("No space left on device"), "{}", cluster.log());
    let stored = |cluster: &Cluster| cluster.try_psql(ROLE, "SELECT count(*) % 10000 FROM marks");
    cluster.free_disk();
    cluster.restart();
    assert_eq!(stored(&cluster).as_deref(), Ok("1"));
    cluster.psql("INSERT INTO marks VALUES (-1)");
}

#[test]
fn a_proxy_loses_a_request_or_an_answer_once() {
    let cluster = Cluster::start();
    cluster.psql(TABLE);
    let proxy = Proxy::start(cluster.port());
    let through = |sql: &str| Cluster::tcp_psql(proxy.port(), sql);
    assert_eq!(through(&insert(1)).as_deref(), Ok(""));
    proxy.lose(Lost::Answer, "insert into");
    assert!(through(&insert(2)).unwrap_err().contains("connection"), "the answer arrives");
    proxy.lose(Lost::Request, "insert into");
    assert!(through(&insert(3)).unwrap_err().contains("connection"), "the request arrives");
    assert_eq!(through(&insert(4)).as_deref(), Ok(""));
    assert_eq!((marks(&cluster).as_str(), proxy.lost()), ("1 2 4", 2));
}

#[test]
fn a_proxy_knows_the_commit_of_a_prepared_statement() {
    let cluster = Cluster::start();
    cluster.psql(TABLE);
    let proxy = Proxy::start(cluster.port());
    for (lost, mode, expected) in [
        (Lost::Answer, "prepared", "0"),
        (Lost::Request, "prepared", "0"),
        (Lost::Answer, "extended", "0 2"),
        (Lost::Request, "extended", "0 2"),
    ] {
        let mark = cluster.psql("SELECT count(*) * 2 FROM marks");
        let script = format!("BEGIN;\n{};\nCOMMIT;\n", insert(mark.parse().unwrap()));
        proxy.lose(lost, "commit");
        let output = cluster.pgbench(proxy.port(), &script, &["-n", "-t", "1", "-M", mode]);
        assert!(!output.status.success(), "{lost:?} {mode}: {output:?}");
        assert_eq!(marks(&cluster), expected, "{lost:?} {mode}");
    }
    assert_eq!(proxy.lost(), 4);
}

#[test]
fn a_proxy_stalls_cuts_and_refuses_connections() {
    let (first, second) = (Cluster::start(), Cluster::start());
    let proxy = Proxy::start(first.port());
    let port = || Cluster::tcp_psql(proxy.port(), "SHOW port").map_err(|_| ());
    let of = |cluster: &Cluster| Ok(cluster.port().to_string());
    assert_eq!(port(), of(&first));
    let sessions = || first.psql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'opterius'");
    assert!(eventually(SOON, || sessions() == "0"));
    std::thread::scope(|scope| {
        proxy.stall();
        let waiting = scope.spawn(port);
        assert_eq!(sessions(), "0");
        assert!(!waiting.is_finished());
        proxy.resume();
        assert_eq!(waiting.join().unwrap(), of(&first));
    });
    std::thread::scope(|scope| {
        let sleeping = scope.spawn(|| Cluster::tcp_psql(proxy.port(), "SELECT pg_sleep(600)"));
        let sleeps = || first.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1";
        assert!(eventually(SOON, sleeps));
        proxy.cut();
        assert!(sleeping.join().unwrap().is_err());
    });
    proxy.refuse();
    assert_eq!(port(), Err(()));
    proxy.point_to(second.port());
    proxy.resume();
    assert_eq!(port(), of(&second));
}

#[test]
fn pgbouncer_gives_a_server_connection_to_each_transaction_anew() {
    let cluster = Cluster::start();
    let bouncer = PgBouncer::start(&cluster, 1);
    // A client between two transactions has no server connection: the other one uses the only one meanwhile.
    let script = "SELECT pg_backend_pid() AS pid \\gset\nSELECT pg_sleep(0.01);\n";
    let output = cluster.pgbench(bouncer.port(), script, &["-n", "-c", "8", "-j", "2", "-t", "5"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(Cluster::tcp_psql(bouncer.port(), "SELECT current_user").as_deref(), Ok(ROLE));
    assert_eq!(cluster.psql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'opterius'"), "1");
}
