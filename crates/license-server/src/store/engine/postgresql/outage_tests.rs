//! Servers that end, freeze, or are not the right one, each started by its test.

use std::thread;

use super::super::super::value::params;
use super::super::test_cluster::Cluster;
use super::tests::{HASTY, PATIENT, bounded, connect, is_unavailable, number};
use super::*;
use opterius_base::deadline::Deadline;

#[test]
fn a_server_that_closes_the_connection() {
    let mut cluster = Cluster::start("");
    let connection = connect(&cluster.over_socket(), PATIENT);
    assert_eq!(number(&connection, "SELECT 1"), 1);
    cluster.kill();
    cluster.boot();
    connection.begin_change().unwrap();
    connection.execute("CREATE TABLE t (id bigint)", &[]).unwrap();
    cluster
        .psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'opterius%'")
        .unwrap();
    let lost = connection.execute("INSERT INTO t VALUES (1)", &[]);
    assert!(is_unavailable(&lost), "{lost:?}");
    let later = connection.execute("INSERT INTO t VALUES (2)", &[]);
    assert!(is_unavailable(&later), "no other session takes over in the middle of a transaction: {later:?}");
    assert!(is_unavailable(&connection.commit()));
    connection.rollback();
    connection.begin_change().unwrap();
    assert_eq!(number(&connection, "SELECT count(*) FROM pg_class WHERE relname = 't'"), 0);
    connection.rollback();
    // In the middle of a statement.
    let answer = thread::scope(|scope| {
        let statement = scope.spawn(move || connection.query("SELECT pg_sleep(60)", &[]).map(|_| ()));
        cluster.until("the statement runs", || {
            cluster.psql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sl%'").unwrap() == "1"
        });
        cluster.kill();
        statement.join().unwrap()
    });
    assert!(is_unavailable(&answer), "{answer:?}");
}

#[test]
fn a_frozen_server_holds_up_no_request() {
    let cluster = Cluster::start("");
    let server = Server::parse(&cluster.over_tcp("")).unwrap();
    let connections = [0, 1].map(|_| server.connection(HASTY));
    for connection in &connections {
        connection.begin_change().unwrap();
    }
    cluster.freeze();
    let statement = bounded("a statement", || connections[0].query("SELECT 1", &[]).map(|_| ()));
    assert!(is_unavailable(&statement), "{statement:?}");
    let commit = bounded("a commit", || connections[1].commit());
    assert!(matches!(commit, Err(Failure::Unknown(_))), "{commit:?}");
    connections[0].rollback();
    bounded("a hundred transactions", || {
        for _ in 0..100 {
            assert!(is_unavailable(&connections[0].begin_change()));
            assert!(is_unavailable(&connections[1].execute("SELECT 1", &[])));
        }
    });
    cluster.thaw();
    for connection in &connections {
        cluster.until("the connection comes back", || connection.begin_change().is_ok());
        connection.commit().unwrap();
    }
}

#[test]
fn a_long_query_goes_on_unless_its_server_is_frozen() {
    let cluster = Cluster::start("");
    let server = Server::parse(&cluster.over_socket()).unwrap();
    assert_eq!(number(&reader_of(&server), "SELECT 7 FROM pg_sleep(3)"), 7);
    thread::scope(|scope| {
        let query = scope.spawn(|| reader_of(&server).query("SELECT pg_sleep(600)", &[]).map(drop));
        cluster.until("the query runs", || {
            let count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
            cluster.psql(count).as_deref() == Ok("1")
        });
        let deadline = Deadline::within(Limits::READ.statement);
        cluster.freeze();
        let answer = query.join().unwrap();
        assert!(is_unavailable(&answer) && !deadline.is_over(), "{answer:?}");
        cluster.thaw();
    });
}

/// A connection for pages, in a transaction.
fn reader_of(server: &Server) -> PostgresqlConnection {
    let reader = server.connection(Limits::READ);
    reader.begin_read().unwrap();
    reader
}

#[test]
fn the_next_server_is_asked_when_one_is_not_the_right_one() {
    let primary = Cluster::start("");
    let standby = primary.standby("second");
    // Nothing listens there; the port of a server that has ended could be another test's by now.
    let closed = 1;
    let frozen = Cluster::start("");
    frozen.freeze();
    let pair = |first: u16, second: u16, further: &str| {
        let string = format!(
            "host=127.0.0.1,127.0.0.1 port={first},{second} dbname=postgres user=postgres connect_timeout=5 {further}"
        );
        bounded("connecting", || {
            let connection = connect(&string, PATIENT);
            connection.begin_read()?;
            Ok::<i64, Failure>(number(&connection, "SELECT current_setting('port')::bigint"))
        })
    };
    let primary_port = Ok(i64::from(primary.port));
    assert_eq!(pair(closed, primary.port, ""), primary_port);
    assert_eq!(pair(frozen.port, primary.port, ""), primary_port);
    assert_eq!(pair(standby.port, primary.port, ""), primary_port);
    assert_eq!(pair(standby.port, primary.port, "target_session_attrs=primary"), primary_port);
    let standby_port = Ok(i64::from(standby.port));
    assert_eq!(pair(standby.port, primary.port, "target_session_attrs=any"), standby_port);
    let neither = pair(standby.port, closed, "");
    let both = |cause: &str| cause.contains("is a standby") && cause.contains("refused");
    assert!(matches!(&neither, Err(Failure::Unavailable(cause)) if both(cause)), "{neither:?}");
    primary.psql("ALTER DATABASE postgres SET default_transaction_read_only = on").unwrap();
    let read_only = pair(primary.port, closed, "");
    assert!(matches!(&read_only, Err(Failure::Unavailable(cause)) if cause.contains("no changes")), "{read_only:?}");
    assert_eq!(pair(primary.port, closed, "target_session_attrs=primary"), primary_port);
    let connection = connect(&primary.over_socket(), PATIENT);
    connection.begin_change().unwrap();
    assert_eq!(connection.execute("CREATE TABLE t (id bigint)", &[]), Err(Failure::ReadOnly));
    connection.rollback();
    primary
        .psql("SET transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only")
        .unwrap();
    connection.begin_change().unwrap();
    connection.execute("CREATE TABLE t (id bigint)", &[]).unwrap();
    connection.commit().unwrap();
}

#[test]
fn a_commit_that_has_not_reached_the_standby_is_never_acknowledged() {
    let cluster = Cluster::start("");
    cluster.psql("CREATE TABLE t (id bigint PRIMARY KEY)").unwrap();
    cluster.configure("synchronous_standby_names = 'gone'");
    cluster.psql("SELECT pg_reload_conf()").unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let interrupt = |function: &str| {
        cluster.until("the commit waits", || cluster.psql(waiting).unwrap() == "1");
        let sql = format!("SELECT {function}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        cluster.psql(&sql).unwrap();
    };
    for (number, function) in [(1_i64, "pg_cancel_backend"), (2, "pg_terminate_backend")] {
        let connection = connect(&cluster.over_socket(), PATIENT);
        connection.begin_change().unwrap();
        connection.execute("INSERT INTO t VALUES (?1)", params![number]).unwrap();
        let commit = thread::scope(|scope| {
            let commit = scope.spawn(move || connection.commit());
            interrupt(function);
            commit.join().unwrap()
        });
        assert!(matches!(commit, Err(Failure::Unknown(_))), "{function}: {commit:?}");
    }
    // A statement without a transaction is its own.
    let connection = connect(&cluster.over_socket(), PATIENT);
    let single = thread::scope(|scope| {
        let single = scope.spawn(move || connection.execute("INSERT INTO t VALUES (3)", &[]));
        interrupt("pg_cancel_backend");
        single.join().unwrap()
    });
    assert!(matches!(single, Err(Failure::Unknown(_))), "{single:?}");
    // The server's own limit does not end the wait; ours does.
    let connection = connect(&cluster.over_socket(), HASTY);
    connection.begin_change().unwrap();
    connection.execute("INSERT INTO t VALUES (4)", &[]).unwrap();
    let commit = bounded("the commit", || connection.commit());
    assert!(matches!(commit, Err(Failure::Unknown(_))), "{commit:?}");
    cluster.until("no connection waits any longer", || cluster.psql(waiting).unwrap() == "0");
    let standby = cluster.standby("gone");
    cluster.until("the standby takes part", || {
        cluster.psql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'").unwrap() == "1"
    });
    let connection = connect(&cluster.over_socket(), PATIENT);
    connection.begin_change().unwrap();
    connection.execute("INSERT INTO t VALUES (5)", &[]).unwrap();
    connection.commit().unwrap();
    standby.until("the standby has it", || standby.psql("SELECT count(*) FROM t WHERE id = 5").unwrap() == "1");
}

#[test]
fn no_more_connections() {
    let cluster = Cluster::start("");
    cluster.psql("CREATE ROLE one LOGIN CONNECTION LIMIT 1").unwrap();
    let string = cluster.over_socket().replace("user=postgres", "user=one");
    let first = connect(&string, PATIENT);
    first.begin_read().unwrap();
    let second = connect(&string, PATIENT).begin_read();
    assert!(matches!(&second, Err(Failure::Unavailable(cause)) if cause.contains("53300")), "{second:?}");
    let strings = [
        (cluster.over_socket().replace("user=postgres", "user=stranger"), "28000"),
        (cluster.over_socket().replace("dbname=postgres", "dbname=nothing"), "3D000"),
    ];
    for (string, state) in strings {
        let refused = connect(&string, PATIENT).begin_read();
        assert!(matches!(&refused, Err(Failure::Refused(cause)) if cause.contains(state)), "{refused:?}");
    }
    let text = second.unwrap_err().to_string();
    assert!(text.contains(&format!("{}:{}", cluster.sockets(), cluster.port)), "the server is named: {text}");
}
