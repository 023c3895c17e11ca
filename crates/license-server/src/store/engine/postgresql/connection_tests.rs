//! Statements, transactions and faults, with a server that each test starts.

use std::borrow::Cow;
use std::thread;

use super::super::super::row::{FromColumn, Row};
use super::super::super::value::params;
use super::super::test_cluster::Cluster;
use super::*;
use opterius_base::deadline::Deadline;

/// Limits that a busy machine does not reach.
const PATIENT: Limits = Limits {
    connect: Duration::from_secs(30),
    statement: Duration::from_secs(60),
    check: None,
    idle: Duration::from_secs(60),
    keeps_plans: false,
};

/// Limits for what must not answer. Each test of them has a limit of its own that is ten times as long.
const HASTY: Limits = Limits { idle: Duration::from_secs(60), ..Limits::REQUEST };

/// What is bounded is over by then.
const BOUND: Duration = Duration::from_secs(20);

fn connect(string: &str, limits: Limits) -> PostgresqlConnection {
    Server::parse(string).unwrap().connection(limits)
}

/// The first column of all rows.
fn column<T: FromColumn>(connection: &PostgresqlConnection, sql: &str, parameters: &[Value<'_>]) -> Vec<T> {
    let rows = connection.query(sql, parameters).unwrap();
    rows.iter().map(|row| Row(row).get(0).unwrap()).collect()
}

fn text(connection: &PostgresqlConnection, sql: &str) -> String {
    column(connection, sql, &[]).remove(0)
}

fn number(connection: &PostgresqlConnection, sql: &str) -> i64 {
    column(connection, sql, &[]).remove(0)
}

fn is_unavailable<T>(answer: &Result<T, Failure>) -> bool {
    matches!(answer, Err(Failure::Unavailable(_)))
}

/// Runs something that must not take long.
fn bounded<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let deadline = Deadline::within(BOUND);
    let answer = work();
    assert!(!deadline.is_over(), "{what} took more than {BOUND:?}");
    answer
}

#[test]
fn a_connection_can_move_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<PostgresqlConnection>();
}

#[test]
fn statements_and_columns() {
    let cluster = Cluster::start("");
    let connection = connect(&cluster.over_socket(), PATIENT);
    connection
        .batch("CREATE TABLE t (id bigint PRIMARY KEY, name text, small smallint, mid int, yes boolean)")
        .unwrap();
    let insert = "INSERT INTO t VALUES (?1, ?2, 3, 4, ?1 > 1)";
    assert_eq!(connection.execute(insert, params![1_i64, "it's ?1 “ü”"]).unwrap(), 1);
    assert_eq!(connection.execute(insert, params![i64::MAX, None::<String>]).unwrap(), 1);
    let rows = connection.query("SELECT id, name, small, mid, yes, id::int2 = 1 FROM t WHERE id = ?1", params![1_i64]);
    let rows = rows.unwrap();
    let row = Row(&rows[0]);
    assert_eq!(row.get::<i64>(0).unwrap(), 1);
    assert_eq!(row.get::<String>(1).unwrap(), "it's ?1 “ü”");
    assert_eq!((row.get::<i64>(2).unwrap(), row.get::<u32>(3).unwrap()), (3, 4));
    assert!(!row.get::<bool>(4).unwrap() && row.get::<bool>(5).unwrap());
    assert!(row.get::<i64>(1).is_err() && row.get::<i64>(6).is_err());
    let sql = "SELECT name FROM t WHERE ?1 IS NULL AND id <> 1";
    assert_eq!(column::<Option<String>>(&connection, sql, params![None::<String>]), [None]);
    // The same text with another type is another statement.
    assert_eq!(column::<Option<String>>(&connection, sql, params![None::<i64>]), [None]);
    assert_eq!(column::<i64>(&connection, "SELECT count(*) FROM t WHERE id > ?1", params![0_i64]), [2]);
    assert_eq!(column::<String>(&connection, "SELECT current_user", &[]), ["postgres"]);
    let ids = Value::Integers(vec![Some(7), None, Some(9)]);
    let pairs = "SELECT coalesce(id, -1) FROM unnest(?1) WITH ORDINALITY AS pair(id, position) ORDER BY position";
    assert_eq!(column::<i64>(&connection, pairs, &[ids]), [7, -1, 9]);
    let returned: Vec<i64> = column(&connection, "DELETE FROM t WHERE id = ?1 RETURNING id", params![1_i64]);
    assert_eq!(returned, [1]);
    let sum = connection.query("SELECT sum(id) AS total FROM t", &[]).unwrap();
    let error = Row(&sum[0]).get::<i64>(0).unwrap_err().to_string();
    assert!(error.contains("column total is of the type numeric"), "{error}");
    let prepared =
        number(&connection, "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'INSERT INTO t%'");
    assert_eq!(prepared, 1, "a statement is prepared once");
}

#[test]
fn a_nul_is_refused_before_anything_is_sent() {
    let cluster = Cluster::start("");
    let connection = connect(&cluster.over_socket(), PATIENT);
    connection.begin_change().unwrap();
    let error = connection.execute("SELECT ?1", &[Value::Text(Some(Cow::Borrowed("a\0")))]).unwrap_err();
    assert!(matches!(&error, Failure::Failed(cause) if cause.contains("NUL")), "{error}");
    connection.execute("CREATE TABLE t (id bigint)", &[]).unwrap();
    connection.commit().unwrap();
    assert_eq!(cluster.psql("SELECT count(*) FROM t").unwrap(), "0");
}

#[test]
fn a_transaction_with_a_failed_statement_is_not_committed() {
    let cluster = Cluster::start("");
    let connection = connect(&cluster.over_socket(), PATIENT);
    connection.batch("CREATE TABLE t (id bigint PRIMARY KEY)").unwrap();
    let session = number(&connection, "SELECT pg_backend_pid()");
    connection.begin_change().unwrap();
    connection.execute("INSERT INTO t VALUES (?1)", params![1_i64]).unwrap();
    assert_eq!(connection.execute("INSERT INTO t VALUES (?1)", params![1_i64]), Err(Failure::Taken));
    let error = connection.commit().unwrap_err();
    assert!(error.to_string().contains("Nothing was changed"), "{error}");
    assert_eq!(cluster.psql("SELECT count(*) FROM t").unwrap(), "0");
    assert!(connection.begin_change().is_ok(), "the next one is a new one");
    assert!(connection.begin_change().is_err(), "there are no transactions in transactions");
    connection.execute("INSERT INTO t VALUES (2)", &[]).unwrap();
    connection.rollback();
    connection.begin_change().unwrap();
    connection.execute("INSERT INTO t VALUES (3)", &[]).unwrap();
    assert_eq!(cluster.psql("SELECT count(*) FROM t").unwrap(), "0", "not before the commit");
    connection.commit().unwrap();
    assert_eq!(cluster.psql("SELECT string_agg(id::text, ',') FROM t").unwrap(), "3");
    assert_eq!(number(&connection, "SELECT pg_backend_pid()"), session, "all in one session");
    connection.begin_read().unwrap();
    assert_eq!(number(&connection, "SELECT count(*) FROM t"), 1);
    cluster.psql("INSERT INTO t VALUES (4)").unwrap();
    assert_eq!(number(&connection, "SELECT count(*) FROM t"), 1, "a read transaction has one view");
    assert_eq!(connection.execute("INSERT INTO t VALUES (5)", &[]), Err(Failure::ReadOnly));
    connection.rollback();
    // A constraint that is checked at the commit makes it fail.
    connection.batch("CREATE TABLE d (id bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)").unwrap();
    connection.begin_change().unwrap();
    connection.execute("INSERT INTO d VALUES (1), (1)", &[]).unwrap();
    assert_eq!(connection.commit(), Err(Failure::Taken));
    assert_eq!(cluster.psql("SELECT count(*) FROM d").unwrap(), "0");
}

#[test]
fn settings_of_a_session() {
    let cluster = Cluster::start("synchronous_commit = off\nclient_min_messages = error\njit = on");
    cluster.psql("ALTER ROLE postgres SET default_transaction_isolation = 'serializable'").unwrap();
    cluster.psql("ALTER ROLE postgres SET standard_conforming_strings = off").unwrap();
    let connection = connect(&cluster.over_tcp("application_name=x'y"), HASTY);
    let table = [
        ("synchronous_commit", "on"),
        ("transaction_isolation", "read committed"),
        ("statement_timeout", "1125ms"),
        ("lock_timeout", "500ms"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("client_min_messages", "warning"),
        ("standard_conforming_strings", "on"),
        ("jit", "off"),
        ("application_name", "x'y"),
        ("client_encoding", "UTF8"),
    ];
    for (name, expected) in table {
        assert_eq!(text(&connection, &format!("SELECT current_setting('{name}')")), expected, "{name}");
    }
    connection.begin_change().unwrap();
    assert_eq!(text(&connection, "SELECT current_setting('transaction_isolation')"), "read committed");
    connection.commit().unwrap();
    for kept in ["remote_apply", "remote_write"] {
        cluster.psql(&format!("ALTER ROLE postgres SET synchronous_commit = {kept}")).unwrap();
        let connection = connect(&cluster.over_socket(), PATIENT);
        assert_eq!(text(&connection, "SELECT current_setting('synchronous_commit')"), kept);
    }
}

#[test]
fn locks_deadlocks_and_slow_statements() {
    let cluster = Cluster::start("deadlock_timeout = 100ms");
    cluster.psql("CREATE TABLE t (id bigint); INSERT INTO t VALUES (1), (2)").unwrap();
    let (holder, waiter) = (connect(&cluster.over_socket(), PATIENT), connect(&cluster.over_socket(), HASTY));
    let session = number(&waiter, "SELECT pg_backend_pid()");
    holder.begin_change().unwrap();
    holder.execute("UPDATE t SET id = id WHERE id = 1", &[]).unwrap();
    waiter.begin_change().unwrap();
    assert_eq!(waiter.execute("UPDATE t SET id = id WHERE id = 1", &[]), Err(Failure::Busy));
    waiter.rollback();
    waiter.begin_change().unwrap();
    let slow = waiter.query("SELECT pg_sleep(60)", &[]).map(|_| ());
    assert!(matches!(&slow, Err(Failure::Unavailable(cause)) if cause.contains("57014")), "{slow:?}");
    assert!(waiter.commit().is_err());
    assert_eq!(number(&waiter, "SELECT pg_backend_pid()"), session, "a slow statement does not end the session");
    let other = connect(&cluster.over_socket(), PATIENT);
    other.begin_change().unwrap();
    other.execute("UPDATE t SET id = id WHERE id = 2", &[]).unwrap();
    let answers = thread::scope(|scope| {
        let crossing = scope.spawn(move || {
            let answer = other.execute("UPDATE t SET id = id WHERE id = 1", &[]);
            other.rollback();
            answer
        });
        let answer = holder.execute("UPDATE t SET id = id WHERE id = 2", &[]);
        holder.rollback();
        [answer, crossing.join().unwrap()]
    });
    assert!(answers.contains(&Err(Failure::Busy)) && answers.contains(&Ok(1)), "{answers:?}");
}

#[test]
fn a_statement_whose_result_has_changed_is_prepared_anew() {
    let cluster = Cluster::start("");
    let connection = connect(&cluster.over_socket(), PATIENT);
    cluster.psql("CREATE TABLE t AS SELECT 1::bigint AS id").unwrap();
    assert_eq!(number(&connection, "SELECT * FROM t"), 1);
    cluster.psql("ALTER TABLE t ADD COLUMN name text").unwrap();
    assert!(connection.query("SELECT * FROM t", &[]).is_err());
    assert_eq!(number(&connection, "SELECT * FROM t"), 1);
}

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
    let mut dead = Cluster::start("");
    dead.kill();
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
    assert_eq!(pair(dead.port, primary.port, ""), primary_port);
    assert_eq!(pair(frozen.port, primary.port, ""), primary_port);
    assert_eq!(pair(standby.port, primary.port, ""), primary_port);
    assert_eq!(pair(standby.port, primary.port, "target_session_attrs=primary"), primary_port);
    let standby_port = Ok(i64::from(standby.port));
    assert_eq!(pair(standby.port, primary.port, "target_session_attrs=any"), standby_port);
    let neither = pair(standby.port, dead.port, "");
    let both = |cause: &str| cause.contains("is a standby") && cause.contains("refused");
    assert!(matches!(&neither, Err(Failure::Unavailable(cause)) if both(cause)), "{neither:?}");
    primary.psql("ALTER DATABASE postgres SET default_transaction_read_only = on").unwrap();
    let read_only = pair(primary.port, dead.port, "");
    assert!(matches!(&read_only, Err(Failure::Unavailable(cause)) if cause.contains("no changes")), "{read_only:?}");
    assert_eq!(pair(primary.port, dead.port, "target_session_attrs=primary"), primary_port);
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
