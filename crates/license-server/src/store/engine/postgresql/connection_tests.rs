//! Statements, transactions and faults, with a server that each test starts.

use std::borrow::Cow;
use std::thread;

use super::super::super::row::{FromColumn, Row};
use super::super::super::value::params;
use super::super::test_cluster::Cluster;
use super::*;
use opterius_base::deadline::Deadline;

/// Limits that a busy machine does not reach.
pub(super) const PATIENT: Limits = Limits {
    connect: Duration::from_secs(30),
    statement: Duration::from_secs(60),
    check: None,
    idle: Duration::from_secs(60),
    keeps_plans: false,
};

/// Limits for what must not answer. Each test of them has a limit of its own that is ten times as long.
pub(super) const HASTY: Limits = Limits { idle: Duration::from_secs(60), ..Limits::REQUEST };

/// What is bounded is over by then.
pub(super) const BOUND: Duration = Duration::from_secs(20);

pub(super) fn connect(string: &str, limits: Limits) -> PostgresqlConnection {
    Server::parse(string).unwrap().connection(limits)
}

/// The first column of all rows.
pub(super) fn column<T: FromColumn>(connection: &PostgresqlConnection, sql: &str, parameters: &[Value<'_>]) -> Vec<T> {
    let rows = connection.query(sql, parameters).unwrap();
    rows.iter().map(|row| Row(row).get(0).unwrap()).collect()
}

pub(super) fn text(connection: &PostgresqlConnection, sql: &str) -> String {
    column(connection, sql, &[]).remove(0)
}

pub(super) fn number(connection: &PostgresqlConnection, sql: &str) -> i64 {
    column(connection, sql, &[]).remove(0)
}

pub(super) fn is_unavailable<T>(answer: &Result<T, Failure>) -> bool {
    matches!(answer, Err(Failure::Unavailable(_)))
}

/// Runs something that must not take long.
pub(super) fn bounded<T>(what: &str, work: impl FnOnce() -> T) -> T {
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
