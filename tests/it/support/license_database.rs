//! Direct access to the database of a license server: creates and changes licenses with the functions that the dashboard
//! and the command line use.

use super::engine::DatabasePlace;
use super::process::write_private;
use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_base::secret::Secret;
use opterius_license_server::actions::{self, Change, ChangeContext, Refusal};
use opterius_license_server::installation::DataDir;
use opterius_license_server::model::{Activation, Actor, Event, Plan, RefusedServer, Role};
use opterius_license_server::store::{self, Database, ReadTransaction, WriteTransaction};
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The owner of all licenses.
pub const OWNER: &str = "alice";

/// More than any history in a test.
const ALL: u32 = 1_000_000;

/// A license with its key.
#[derive(Clone, Debug)]
pub struct TestLicense {
    pub id: i64,
    pub key: String,
}

/// The database of an installation.
#[derive(Clone)]
pub struct LicenseDatabase {
    pub data_dir: DataDir,
    pub place: DatabasePlace,
    clock: Arc<dyn Clock>,
}

impl LicenseDatabase {
    /// The database of the installation with its keys in this directory.
    pub fn at(place: DatabasePlace, directory: &Path, clock: Arc<dyn Clock>) -> LicenseDatabase {
        LicenseDatabase { data_dir: place.installation(directory), place, clock }
    }

    /// The database in a file of this directory.
    pub fn in_directory(directory: &Path) -> LicenseDatabase {
        LicenseDatabase::at(DatabasePlace::in_directory(), directory, Arc::new(SystemClock))
    }

    /// Makes a directory `data` in this one for another instance, with a copy of the signing keys.
    pub fn copy_keys_to(&self, directory: &Path) -> PathBuf {
        let data = directory.join("data");
        fs::DirBuilder::new().mode(0o700).create(&data).unwrap();
        let keys = fs::read(self.data_dir.keys_path()).unwrap();
        write_private(&data.join("signing-keys.json"), &keys).unwrap();
        data
    }

    pub fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    pub fn try_change<T>(&self, work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut database = Database::open(self.data_dir.database())?;
        database.change(self.clock.wall(), work)
    }

    pub fn change<T>(&self, work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, Refusal>) -> T {
        self.try_change(work).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    pub fn read<T>(&self, work: impl FnOnce(&ReadTransaction<'_>) -> Result<T, store::Error>) -> T {
        let mut database = Database::open(self.data_dir.database()).unwrap_or_else(|error| panic!("{error}"));
        database.read(work).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Creates a license with this plan, without expiry or lock.
    pub fn license(&self, plan: &str) -> TestLicense {
        self.license_until(plan, None, None)
    }

    /// Creates a license with this expiry and lock.
    pub fn license_until(&self, plan: &str, end: Option<Timestamp>, locked: Option<&str>) -> TestLicense {
        self.create(plan, end, locked, actions::new_key().unwrap())
    }

    /// Creates a license with this key.
    pub fn license_with_key(&self, plan: &str, key: &str) -> TestLicense {
        self.create(plan, None, None, Secret::new(key.to_owned()))
    }

    fn create(&self, plan: &str, end: Option<Timestamp>, locked: Option<&str>, key: Secret) -> TestLicense {
        let id = self.change(|transaction| {
            if transaction.user(OWNER)?.is_none() {
                actions::add_user(transaction, &operator(), OWNER, "no password", false)?;
            }
            actions::create(transaction, &operator(), OWNER, plan, end, locked.map(ip), &key)
        });
        TestLicense { id, key: key.expose().to_owned() }
    }

    /// Creates `count` licenses.
    pub fn licenses(&self, plan: &str, count: usize) -> Vec<TestLicense> {
        self.license(plan);
        let create = |transaction: &WriteTransaction<'_>| {
            let key = actions::new_key()?;
            let id = actions::create(transaction, &operator(), OWNER, plan, None, None, &key)?;
            Ok(TestLicense { id, key: key.expose().to_owned() })
        };
        self.change(|transaction| (0..count).map(|_| create(transaction)).collect())
    }

    /// Creates or changes a plan.
    pub fn set_plan(&self, slug: &str, max_servers: u32) {
        let plan = Plan { slug: slug.to_owned(), name: slug.to_uppercase(), max_accounts: 10, max_servers };
        self.change(|transaction| actions::set_plan(transaction, &operator(), &plan));
    }

    pub fn apply_change(&self, id: i64, change: Change) -> String {
        let actor = operator();
        self.change(|transaction| {
            actions::change(transaction, &ChangeContext { actor: &actor, seen: None }, id, &change)
        })
    }

    pub fn revoke(&self, id: i64, address: &str) -> String {
        self.change(|transaction| actions::revoke(transaction, &operator(), id, ip(address), None))
    }

    /// Revokes a server and keeps it out.
    pub fn keep_out(&self, id: i64, address: &str, time: Duration) -> String {
        self.change(|transaction| actions::revoke(transaction, &operator(), id, ip(address), Some(time)))
    }

    pub fn unblock(&self, id: i64, address: &str) -> String {
        self.change(|transaction| actions::unblock(transaction, &operator(), id, ip(address)))
    }

    /// The refused servers of a license, in order of their addresses.
    pub fn refused(&self, id: i64) -> Vec<RefusedServer> {
        let mut refused = self.read(|transaction| transaction.refused_servers(id));
        refused.sort_by_key(|server| server.ip);
        refused
    }

    pub fn move_to(&self, id: i64, from: &str, to: &str) -> String {
        self.change(|transaction| actions::move_to(transaction, &operator(), id, ip(from), ip(to)))
    }

    /// All activations of a license, in order.
    pub fn activations(&self, id: i64) -> Vec<Activation> {
        self.read(|transaction| transaction.activations(id))
    }

    /// The addresses of the activations.
    pub fn addresses(&self, id: i64) -> Vec<String> {
        self.activations(id).iter().map(|activation| activation.ip.to_string()).collect()
    }

    /// The history of a license, or of everything, oldest first.
    pub fn history(&self, id: Option<i64>) -> Vec<Event> {
        let mut events = self.read(|transaction| transaction.history(id, None, ALL));
        events.reverse();
        events
    }

    /// The history of a license as text: actor, action and details of each entry.
    pub fn history_lines(&self, id: i64) -> Vec<String> {
        let line = |event: &Event| {
            let text = format!("{} {} {}", event.actor.name, event.action.as_str(), event.detail);
            text.trim_end().to_owned()
        };
        self.history(Some(id)).iter().map(line).collect()
    }

    /// Everything that is stored, as an intruder would search it.
    pub fn stored_text(&self) -> String {
        let Some(database) = self.place.postgresql() else {
            let file = self.data_dir.database_file().unwrap_or_else(|error| panic!("{error}"));
            let read = |path| fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&[read(file.to_owned()), read(file.with_extension("db-wal"))].concat())
                .into_owned();
            assert!(text.contains("licenses"), "{} is not a database", file.display());
            return text;
        };
        database.dump()
    }

    /// The defects of the database; empty if it is intact.
    pub fn defects(&self) -> Vec<String> {
        store::check(self.data_dir.database()).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A user of the command line.
pub fn operator() -> Actor {
    Actor { role: Role::Operator, name: "operator".to_owned() }
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is not an IP address"))
}
