//! A database on a server of PostgreSQL: its tables are made once, by `init`, in an empty database, and upgraded by the first
//! instance of a newer version.
//!
//! Instances are upgraded one after the other, so a program works with tables that are one version newer: a migration only
//! adds, and what no version needs any longer goes with a later one.

use super::engine::{Connection, Limits, Queries, Server, params};
use super::error::Error;
use super::schema::MIGRATIONS;
use super::transactions::WriteTransaction;
use opterius_base::clock::Timestamp;

/// The tables at version 3, with which PostgreSQL begins.
const SCHEMA: &str = include_str!("schema/postgresql.sql");

/// The version of [`SCHEMA`].
const FIRST_VERSION: usize = 3;

/// The migrations after it, one for each of SQLite's. A released migration never changes.
const LATER: [&str; MIGRATIONS.len() - FIRST_VERSION] = [include_str!("schema/postgresql_4.sql")];

/// What the setting `application` says.
const APPLICATION: &str = "opterius-license-server";

/// Tables, indexes and the like of the schema in which the tables are.
const OBJECTS: &str = "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = current_schema()::regnamespace";

/// Indexes and conditions that PostgreSQL does not use or has not checked, such as after an interrupted change.
const DEFECTS: &str = "
    SELECT 'the index ' || index.relname || ' is invalid'
    FROM pg_catalog.pg_index JOIN pg_catalog.pg_class AS index ON index.oid = indexrelid
    WHERE NOT (indisvalid AND indisready) AND index.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'the condition ' || conname || ' is not checked' FROM pg_catalog.pg_constraint
    WHERE NOT convalidated AND connamespace = current_schema()::regnamespace
    ORDER BY 1";

/// Opens a database, and upgrades older tables.
///
/// # Errors
/// The server cannot be used, or the database is empty, another application's, or too new.
pub(super) fn open(server: &Server) -> Result<Connection, Error> {
    let connection = connect(server);
    upgrade(&connection, server, &LATER)?;
    Ok(connection)
}

/// Opens a database to look at it.
///
/// # Errors
/// Those of [`open`].
pub(super) fn open_as_is(server: &Server) -> Result<Connection, Error> {
    let connection = connect(server);
    inspect(&connection, server, LATER.len())?;
    Ok(connection)
}

/// The version of a database's tables.
///
/// # Errors
/// Those of [`open`].
pub(super) fn version(server: &Server) -> Result<i64, Error> {
    inspect(&connect(server), server, LATER.len())
}

/// The defects of a database that PostgreSQL knows of. Damaged pages it reports when it reads them.
///
/// # Errors
/// Those of [`open`].
pub(super) fn defects(server: &Server) -> Result<Vec<String>, Error> {
    open_as_is(server)?.query(DEFECTS, &[], |row| row.get(0))
}

/// Makes the tables in an empty database; `fill` fills them in the same transaction.
///
/// # Errors
/// The server cannot be used, the database is not empty, or what `fill` returns; nothing was changed.
pub fn create<E: From<Error>>(
    server: &Server,
    now: Timestamp,
    fill: impl FnOnce(&WriteTransaction<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let connection = connect(server);
    let transaction = connection.begin_change()?;
    if connection.query_row(OBJECTS, &[], |row| row.get::<i64>(0))? > 0 {
        return Err(Error::Refused(format!(
            "{server}: the database is not empty. Nothing was changed. Create one for the license server: createdb --owner USER \
             DATABASE. For another instance of an installation, copy its signing-keys.json instead"
        ))
        .into());
    }
    connection.batch(SCHEMA)?;
    migrate(&connection, FIRST_VERSION, &LATER)?;
    fill(&WriteTransaction::new(&connection, now))?;
    Ok(transaction.commit()?)
}

fn connect(server: &Server) -> Connection {
    Connection::Postgresql(Box::new(server.connection(Limits::COMMAND)))
}

fn upgrade(connection: &Connection, server: &Server, later: &[&str]) -> Result<(), Error> {
    let is_outdated =
        |version: i64| usize::try_from(version).is_ok_and(|version| version < FIRST_VERSION + later.len());
    if is_outdated(inspect(connection, server, later.len())?) {
        let open = connection.begin_change()?;
        // Another instance may have upgraded the tables while this one waited.
        let version = inspect(connection, server, later.len())?;
        if is_outdated(version) {
            migrate(connection, usize::try_from(version).unwrap_or(FIRST_VERSION), later)?;
            open.commit()?;
        }
    }
    Ok(())
}

/// Applies the migrations after version `from`.
fn migrate(connection: &Connection, from: usize, later: &[&str]) -> Result<(), Error> {
    for migration in later.iter().skip(from.saturating_sub(FIRST_VERSION)) {
        connection.batch(migration)?;
    }
    let version = (FIRST_VERSION + later.len()).to_string();
    connection.execute("UPDATE settings SET value = ?1 WHERE name = 'schema_version'", params![version])?;
    Ok(())
}

/// Checks that the database is one of the license server's, in a version that this program with its `later` migrations can
/// use or upgrade; returns the version.
fn inspect(connection: &Connection, server: &Server, later: usize) -> Result<i64, Error> {
    let refused = |cause: &str| Error::Refused(format!("{server}: {cause}"));
    if !connection.query_row("SELECT to_regclass('settings') IS NOT NULL", &[], |row| row.get::<bool>(0))? {
        return Err(refused(
            "the database has no tables of the license server. For a new installation, run: opterius-license-server init",
        ));
    }
    let setting = |name: &str| {
        let sql = "SELECT value FROM settings WHERE name = ?1";
        connection.query_optional(sql, params![name], |row| row.get::<String>(0))
    };
    if setting("application")?.as_deref() != Some(APPLICATION) {
        return Err(refused("it is not a database of the license server"));
    }
    let version = setting("schema_version")?.and_then(|version| version.parse::<i64>().ok());
    let version = version.ok_or_else(|| refused("the setting schema_version is missing or no number"))?;
    let newest = FIRST_VERSION + later;
    match usize::try_from(version) {
        Ok(found) if (FIRST_VERSION..=newest + 1).contains(&found) => Ok(version),
        Ok(found) if found > newest => Err(refused(&format!(
            "the database was written by a newer version of this program (schema {version}; this version supports {newest}, and \
             works with one newer during an upgrade). Nothing was changed; install that version"
        ))),
        _ => Err(refused(&format!("there is no upgrade from schema {version}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::database::Database;
    use super::super::engine::Cluster;
    use super::super::location::Location;
    use super::super::maintenance;
    use super::super::readers::Readers;
    use super::*;

    #[test]
    fn a_database_is_made_once_and_only_in_an_empty_one() {
        let cluster = Cluster::start("");
        let location = Location::parse(&cluster.over_socket()).unwrap();
        let Location::Postgresql(server) = &location else { panic!("{location}") };
        let now = Timestamp::from_unix(1000);
        let refusal = |what: &str| {
            let error = Database::open(&location).err().unwrap();
            assert!(matches!(&error, Error::Refused(sentence) if sentence.contains(what)), "{what}: {error}");
        };
        refusal("opterius-license-server init");
        // What fails leaves nothing.
        let failed = create(server, now, |_| Err(Error::Full));
        assert_eq!(failed, Err(Error::Full));
        refusal("opterius-license-server init");
        create(server, now, |transaction| transaction.put_setting("name", "value")).unwrap();
        let again = create(server, now, |_| Ok::<(), Error>(())).unwrap_err();
        assert!(matches!(&again, Error::Refused(sentence) if sentence.contains("not empty")), "{again}");
        let mut database = Database::open(&location).unwrap();
        database.change(now, |transaction| transaction.put_setting("name", "other")).unwrap();
        database.limit_to_requests();
        assert_eq!(database.read(|transaction| transaction.setting("name")), Ok(Some("other".to_owned())));
        let readers = Readers::open(&location, 1).unwrap();
        assert_eq!(readers.read(|transaction| transaction.setting("name")), Ok(Some("other".to_owned())));
        assert_eq!(maintenance::setting(&location, "name"), Ok(Some("other".to_owned())));
        assert_eq!(maintenance::schema(&location), Ok((4, 4)));
        assert_eq!(maintenance::check(&location), Ok(Vec::new()));
        cluster
            .psql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'licenses_of_owner'::regclass")
            .unwrap();
        assert_eq!(maintenance::check(&location), Ok(vec!["the index licenses_of_owner is invalid".to_owned()]));
        for (change, what) in [
            ("UPDATE settings SET value = '6' WHERE name = 'schema_version'", "newer version"),
            ("UPDATE settings SET value = '2' WHERE name = 'schema_version'", "no upgrade from schema 2"),
            ("UPDATE settings SET value = 'x' WHERE name = 'schema_version'", "schema_version is missing"),
            ("UPDATE settings SET value = 'shop' WHERE name = 'application'", "not a database of the license server"),
        ] {
            cluster.psql(change).unwrap();
            refusal(what);
        }
    }
    #[test]
    fn instances_of_two_versions_share_a_database_during_an_upgrade() {
        let cluster = Cluster::start("");
        let location = Location::parse(&cluster.over_socket()).unwrap();
        let Location::Postgresql(server) = &location else { panic!("{location}") };
        let now = Timestamp::from_unix(1000);
        create(server, now, |_| Ok::<(), Error>(())).unwrap();
        let mut older = Database::open(&location).unwrap();
        older.change(now, |transaction| transaction.put_setting("by", "older")).unwrap();
        // Four instances of the next version start at once; a second run of the migration would fail.
        let next = "ALTER TABLE plans ADD COLUMN added BIGINT NOT NULL DEFAULT 7; CREATE TABLE added (id BIGINT)";
        let later: Vec<&str> = LATER.into_iter().chain([next]).collect();
        std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(|| upgrade(&connect(server), server, &later)));
            for thread in threads {
                assert_eq!(thread.join().unwrap(), Ok(()));
            }
        });
        assert_eq!(maintenance::schema(&location), Ok((5, 4)));
        assert_eq!(cluster.psql("SELECT DISTINCT added FROM plans").unwrap(), "7");
        // The older one goes on, also after a restart.
        older.change(now, |transaction| transaction.put_setting("by", "older again")).unwrap();
        let mut restarted = Database::open(&location).unwrap();
        let plans = restarted.read(|transaction| transaction.plans()).unwrap();
        assert_eq!(plans.len(), 4);
        restarted.change(now, |transaction| transaction.put_plan(plans.first().unwrap())).unwrap();
        assert_eq!(maintenance::schema(&location), Ok((5, 4)), "it is not taken back");
        assert_eq!(upgrade(&connect(server), server, &later), Ok(()));
    }
}
