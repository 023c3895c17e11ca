use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use std::sync::OnceLock;

use self::laboratory::ScratchDatabase;
use super::*;
use crate::config;
use crate::installation::DataDir;
use opterius_base::clock::Timestamp;

#[path = "../../../tests/it/support/postgresql/mod.rs"]
#[allow(clippy::disallowed_methods, unreachable_pub, reason = "the tests of the whole workspace use it too")]
mod laboratory;

/// Whether the tests run on PostgreSQL in place of SQLite.
fn is_on_postgresql() -> bool {
    match std::env::var("OPTERIUS_TEST_ENGINE").as_deref() {
        Err(_) | Ok("sqlite") => false,
        Ok("postgresql") => true,
        Ok(other) => panic!("OPTERIUS_TEST_ENGINE is sqlite or postgresql, not {other}"),
    }
}

/// A database of PostgreSQL with the tables of the license server, as a copy of one that was made by the program.
fn on_server() -> ScratchDatabase {
    static TEMPLATE: OnceLock<ScratchDatabase> = OnceLock::new();
    let create = || {
        let database = ScratchDatabase::empty();
        let Location::Postgresql(server) = Location::parse(&database.uri()).unwrap() else { panic!("not on a server") };
        server_database::create::<Error>(&server, NOW, |_| Ok(())).unwrap();
        database
    };
    ScratchDatabase::copy_of(TEMPLATE.get_or_init(create).name())
}

/// An installation in this directory, which does not exist, and its database if that is not in the directory.
pub(crate) fn new_installation(directory: &Path) -> (DataDir, Option<Box<dyn Send + Sync>>) {
    if !is_on_postgresql() {
        return (DataDir::new(directory), None);
    }
    let database = ScratchDatabase::empty();
    let text = format!("data_dir={}\ndatabase={}\n", directory.display(), database.uri());
    let config = config::parse(&text, "license-server.conf").unwrap().config;
    (DataDir::of(&config), Some(Box::new(database)))
}

/// A temporary database for a test.
pub(crate) struct Scratch {
    directory: PathBuf,
    database: Option<Database>,
    _on_server: Option<ScratchDatabase>,
}

impl Scratch {
    /// A database of the engine of the tests.
    pub(crate) fn new() -> Self {
        if !is_on_postgresql() {
            return Self::in_file();
        }
        let on_server = on_server();
        let database = Database::open(&Location::parse(&on_server.uri()).unwrap()).unwrap();
        Self { directory: PathBuf::new(), database: Some(database), _on_server: Some(on_server) }
    }

    /// A database in a file of SQLite, for what only that has.
    pub(crate) fn in_file() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("opterius-store-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let _ = fs::remove_file(directory.join("licenses.db"));
        let database = Database::create_file(&directory.join("licenses.db")).unwrap();
        Self { directory, database: Some(database), _on_server: None }
    }

    pub(crate) fn change<T, E: From<Error> + fmt::Debug>(
        &mut self,
        now: Timestamp,
        work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, E>,
    ) -> T {
        self.try_change(now, work).unwrap()
    }

    pub(crate) fn try_change<T, E: From<Error>>(
        &mut self,
        now: Timestamp,
        work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.database.as_mut().unwrap().change(now, work)
    }

    pub(crate) fn read<T>(&mut self, work: impl FnOnce(&ReadTransaction<'_>) -> Result<T, Error>) -> T {
        self.database.as_mut().unwrap().read(work).unwrap()
    }

    pub(crate) fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    fn path(&self) -> PathBuf {
        self.directory.join("licenses.db")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The database of a server is deleted afterwards.
        self.database = None;
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The query plan of a statement.
pub(crate) fn plan(transaction: &ReadTransaction<'_>, sql: &str) -> Result<String, Error> {
    let mut statement = transaction.0.sqlite().unwrap().prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let unset = vec![rusqlite::types::Null; statement.parameter_count()];
    let line = |row: &rusqlite::Row<'_>| row.get::<_, String>(3);
    let lines: rusqlite::Result<Vec<String>> = statement.query_map(rusqlite::params_from_iter(unset), line)?.collect();
    Ok(lines?.join("\n"))
}

/// Whether a statement creates a temporary table each time.
pub(crate) fn creates_a_table(transaction: &ReadTransaction<'_>, sql: &str) -> Result<bool, Error> {
    let mut statement = transaction.0.sqlite().unwrap().prepare(&format!("EXPLAIN {sql}"))?;
    let unset = vec![rusqlite::types::Null; statement.parameter_count()];
    let operation = |row: &rusqlite::Row<'_>| row.get::<_, String>(1);
    let operations: rusqlite::Result<Vec<String>> =
        statement.query_map(rusqlite::params_from_iter(unset), operation)?.collect();
    Ok(operations?.iter().any(|operation| operation.starts_with("OpenEphemeral")))
}

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

#[test]
fn a_new_database_is_private_and_has_the_plans() {
    let mut scratch = Scratch::in_file();
    let mode = fs::metadata(scratch.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let plans = scratch.read(|transaction| transaction.plans());
    let plans: Vec<(&str, u32, u32)> =
        plans.iter().map(|plan| (plan.slug.as_str(), plan.max_accounts, plan.max_servers)).collect();
    let expected = [("free", 5, 1), ("starter", 25, 1), ("business", 100, 5), ("datacenter", 0, 0)];
    assert_eq!(plans, expected);
    assert_eq!(Database::create_file(&scratch.path()).err(), Some(Error::Taken), "create never overwrites");
}

#[test]
fn an_unusable_file_is_reported_and_left_unchanged() {
    let check = |prepare: &dyn Fn(&Path), expected: &str| {
        let scratch = Scratch::in_file();
        let path = scratch.directory.join("other.db");
        prepare(&path);
        let before = fs::read(&path).ok();
        let error = Database::open_file(&path).err().unwrap().to_string();
        assert!(error.contains(expected) && error.contains("other.db"), "{error}");
        assert_eq!(fs::read(&path).ok(), before);
    };
    let write = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    };
    check(&|_| {}, "the database is missing");
    check(
        &|path| write(path, b"garbage that is long enough to be looked at as a header of a database file....."),
        "not a database",
    );
    check(&|path| write(path, b""), "not a database of the license server");
    check(
        &|path| {
            drop(Database::create_file(path).unwrap());
            fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        },
        "chmod 0600",
    );
    check(
        &|path| {
            let database = Database::create_file(path).unwrap();
            database.connection.sqlite().unwrap().pragma_update(None, "user_version", 999).unwrap();
            database.connection.sqlite().unwrap().pragma_update(None, "journal_mode", "delete").unwrap();
        },
        "newer version",
    );
    check(
        &|path| {
            drop(Database::create_file(path).unwrap());
            let mut bytes = fs::read(path).unwrap();
            bytes[100..2000].fill(0xff);
            write(path, &bytes);
        },
        "malformed",
    );
}

#[test]
fn a_failed_change_is_rolled_back() {
    let mut scratch = Scratch::new();
    let failed: Result<(), Error> = scratch.try_change(NOW, |transaction| {
        transaction.insert_user("alice", "hash", false)?;
        Err(Error::Busy)
    });
    assert_eq!(failed, Err(Error::Busy));
    assert_eq!(scratch.read(|transaction| transaction.users()), []);
}

#[test]
fn a_backup_is_complete_and_never_overwrites() {
    let mut scratch = Scratch::in_file();
    scratch.change(NOW, |transaction| transaction.insert_user("alice", "hash", false));
    let target = scratch.directory.join("backup.db");
    backup(&scratch.path(), &target).unwrap();
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    let mut copy = Database::open_file(&target).unwrap();
    assert!(copy.read(|transaction| transaction.user("alice")).unwrap().is_some());
    assert!(backup(&scratch.path(), &target).unwrap_err().to_string().contains("never overwrites"));
    assert_eq!(check(&Location::File(target.clone())).unwrap(), [] as [String; 0]);
    let left: Vec<_> = fs::read_dir(&scratch.directory)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .collect();
    assert!(!left.iter().any(|name| name.contains("unfinished")), "{left:?}");
}

#[test]
fn servers_that_took_two_slots_become_pairs_when_the_schema_changes() {
    let scratch = Scratch::in_file();
    let path = scratch.path();
    fs::remove_file(&path).unwrap();
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(schema::VERSION_1).unwrap();
    old.pragma_update(None, "application_id", schema::APPLICATION_ID).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.pragma_update(None, "journal_mode", "WAL").unwrap();
    old.execute_batch(
        "INSERT INTO users VALUES (1, 'anna', '', 0, 1);
        INSERT INTO licenses (id, key, owner, plan, status, created_at, revision) VALUES (1, 'K', 1, 'free', 'active', 1, 1);",
    )
    .unwrap();
    // Address, sequence, last check-in, host name, identity.
    let servers = [
        ("203.0.113.1", 1, 1_000_000, Some("w"), Some("pair")),
        ("2001:db8::1", 2, 1_000_100, Some("W"), Some("pair")),
        ("2001:db8::2", 3, 1_000_100, None, Some("unnamed")),
        ("203.0.113.2", 4, 1_000_000, Some("w"), Some("unnamed")),
        ("203.0.113.3", 5, 1_000_000, Some("w1"), Some("two names")),
        ("2001:db8::3", 6, 1_000_000, Some("w2"), Some("two names")),
        ("203.0.113.4", 7, 1_000_000, Some("w"), Some("three")),
        ("2001:db8::4", 8, 1_000_000, Some("w"), Some("three")),
        ("203.0.113.5", 9, 1_000_000, Some("w"), Some("three")),
        ("203.0.113.6", 10, 1_000_000, Some("w"), Some("moved")),
        ("2001:db8::6", 11, 2_000_000, Some("w"), Some("moved")),
        ("203.0.113.7", 12, 1_000_000, Some("w"), None),
        ("2001:db8::7", 13, 1_000_000, Some("w"), None),
        ("203.0.113.8", 14, 1_000_000, Some("w"), Some("")),
        ("2001:db8::8", 15, 1_000_000, Some("w"), Some("")),
    ];
    for (ip, sequence, seen, hostname, identity) in servers {
        let sql = "INSERT INTO activations (license, ip, sequence, started_at, last_seen_at, observed_ip, hostname, server_id)
            VALUES (1, ?1, ?2, 1, ?3, ?1, ?4, ?5)";
        old.execute(sql, rusqlite::params![ip, sequence, seen, hostname, identity]).unwrap();
    }
    drop(old);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let mut database = Database::open_file(&path).unwrap();
    let found = database.read(|transaction| transaction.activations(1)).unwrap();
    let addresses = |server: &crate::model::Activation| -> Vec<(String, i64)> {
        server.addresses.iter().map(|side| (side.ip.to_string(), side.last_seen_at.unix())).collect()
    };
    let pairs: Vec<Vec<(String, i64)>> = found.iter().map(addresses).filter(|sides| sides.len() == 2).collect();
    let side = |ip: &str, at| (ip.to_owned(), at);
    assert_eq!(
        pairs,
        [
            [side("203.0.113.1", 1_000_000), side("2001:db8::1", 1_000_100)],
            [side("2001:db8::2", 1_000_100), side("203.0.113.2", 1_000_000)]
        ]
    );
    assert_eq!((found.len(), found[0].last_seen_at.unix()), (servers.len() - 2, 1_000_100));
}

#[test]
fn an_older_database_whose_names_are_now_the_same_keeps_every_user() {
    let scratch = Scratch::in_file();
    let path = scratch.directory.join("old.db");
    fs::write(&path, b"").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(schema::VERSION_1).unwrap();
    old.pragma_update(None, "application_id", schema::APPLICATION_ID).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    for (id, name) in [(1, "Ärger"), (2, "anna"), (3, "ärger"), (4, "A\u{308}rger"), (5, "ＡＮＮＡ"), (6, "bert")]
    {
        let sql = "INSERT INTO users VALUES (?1, ?2, 'hash', 0, 7)";
        old.execute(sql, rusqlite::params![id, name]).unwrap();
    }
    old.execute("INSERT INTO licenses VALUES (1, 'KEY', 3, 'free', 'active', NULL, NULL, NULL, NULL, NULL, 7, 1)", [])
        .unwrap();
    old.execute("INSERT INTO sessions VALUES ('hash', 3, 50000)", []).unwrap();
    drop(old);
    assert_eq!(
        renamed_users(&Location::File(path.clone())).unwrap(),
        [] as [String; 0],
        "checking an older schema changes nothing"
    );
    let mut database = Database::open_file(&path).unwrap();
    let found = |name: &str, database: &mut Database| {
        database.read(|transaction| transaction.user(name)).unwrap().map(|(user, _)| (user.id, user.name))
    };
    for (name, id, stored) in [
        ("ÄRGER", 1, "Ärger"),
        ("ärger~2", 3, "ärger~2"),
        ("Ärger~3", 4, "A\u{308}rger~3"),
        ("Anna", 2, "anna"),
        ("anna~2", 5, "ＡＮＮＡ~2"),
        ("BERT", 6, "bert"),
    ] {
        assert_eq!(found(name, &mut database), Some((id, stored.to_owned())), "{name}");
    }
    let (license, session, events) = database
        .read(|transaction| {
            let at = Timestamp::from_unix(10_000);
            let session = transaction.session("hash", at)?.map(|(user, _)| user.id);
            Ok::<_, Error>((transaction.license(1)?, session, transaction.history(None, None, 10)?))
        })
        .unwrap();
    assert_eq!(license.unwrap().owner_name, "ärger~2");
    assert_eq!(session, Some(3), "sessions go on");
    assert_eq!(events.len(), 3, "each is in the history");
    assert_eq!(renamed_users(&Location::File(path.clone())).unwrap(), ["ärger~2", "A\u{308}rger~3", "ＡＮＮＡ~2"]);
    assert_eq!(check(&Location::File(path.clone())).unwrap(), [] as [String; 0]);
}
