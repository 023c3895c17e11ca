//! The license server's installation, as its vendor keeps it: licenses made and changed beside the server, straight in
//! the database, by the functions that the dashboard and the command line use.

use opterius_base::clock::{Clock, Timestamp};
use opterius_base::secret::Secret;
use opterius_license_server::actions::{self, Change, ChangeContext, Refusal};
use opterius_license_server::installation::DataDir;
use opterius_license_server::model::{Activation, Actor, Event, Plan, Role};
use opterius_license_server::store::{self, Database, ReadTransaction, WriteTransaction};
use std::net::IpAddr;
use std::sync::Arc;

/// Whose license every license is.
pub const OWNER: &str = "alice";

/// Longer than any history of a test.
const ALL: u32 = 1_000_000;

/// A license to verify.
#[derive(Clone, Debug)]
pub struct TestLicense {
    pub id: i64,
    pub key: String,
}

/// See the module.
#[derive(Clone)]
pub struct LicenseDatabase {
    pub data_dir: DataDir,
    clock: Arc<dyn Clock>,
}

impl LicenseDatabase {
    pub fn new(data_dir: DataDir, clock: Arc<dyn Clock>) -> LicenseDatabase {
        LicenseDatabase { data_dir, clock }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    pub fn try_change<T>(&self, work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut database = Database::open(&self.data_dir.database_path())?;
        database.change(self.clock.wall(), work)
    }

    pub fn change<T>(&self, work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, Refusal>) -> T {
        self.try_change(work).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    pub fn read<T>(&self, work: impl FnOnce(&ReadTransaction<'_>) -> Result<T, store::Error>) -> T {
        let mut database = Database::open(&self.data_dir.database_path()).unwrap_or_else(|error| panic!("{error}"));
        database.read(work).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A new license of this plan, for ever and anywhere.
    pub fn license(&self, plan: &str) -> TestLicense {
        self.license_until(plan, None, None)
    }

    /// A new license that ends then, and is locked to this address.
    pub fn license_until(&self, plan: &str, end: Option<Timestamp>, locked: Option<&str>) -> TestLicense {
        self.make(plan, end, locked, actions::new_key().unwrap())
    }

    /// A new license with this key.
    pub fn license_with_key(&self, plan: &str, key: &str) -> TestLicense {
        self.make(plan, None, None, Secret::new(key.to_owned()))
    }

    fn make(&self, plan: &str, end: Option<Timestamp>, locked: Option<&str>, key: Secret) -> TestLicense {
        let id = self.change(|transaction| {
            if transaction.user(OWNER)?.is_none() {
                actions::add_user(transaction, &operator(), OWNER, "no password", false)?;
            }
            actions::create(transaction, &operator(), OWNER, plan, end, locked.map(ip), &key)
        });
        TestLicense { id, key: key.expose().to_owned() }
    }

    /// So many of them.
    pub fn licenses(&self, plan: &str, count: usize) -> Vec<TestLicense> {
        self.license(plan);
        let make = |transaction: &WriteTransaction<'_>| {
            let key = actions::new_key()?;
            let id = actions::create(transaction, &operator(), OWNER, plan, None, None, &key)?;
            Ok(TestLicense { id, key: key.expose().to_owned() })
        };
        self.change(|transaction| (0..count).map(|_| make(transaction)).collect())
    }

    /// Makes a plan or changes it.
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
        self.change(|transaction| actions::revoke(transaction, &operator(), id, ip(address)))
    }

    pub fn move_to(&self, id: i64, from: &str, to: &str) -> String {
        self.change(|transaction| actions::move_to(transaction, &operator(), id, ip(from), ip(to)))
    }

    /// All activations of a license, in their order.
    pub fn activations(&self, id: i64) -> Vec<Activation> {
        self.read(|reader| reader.activations(id))
    }

    /// The addresses of them.
    pub fn addresses(&self, id: i64) -> Vec<String> {
        self.activations(id).iter().map(|activation| activation.ip.to_string()).collect()
    }

    /// The history of a license, or of everything, the oldest line first.
    pub fn history(&self, id: Option<i64>) -> Vec<Event> {
        let mut lines = self.read(|reader| reader.history(id, None, ALL));
        lines.reverse();
        lines
    }

    /// What the history of a license says: actor, action and particulars of each line.
    pub fn history_lines(&self, id: i64) -> Vec<String> {
        let line = |event: &Event| {
            let text = format!("{} {} {}", event.actor.name, event.action.as_str(), event.detail);
            text.trim_end().to_owned()
        };
        self.history(Some(id)).iter().map(line).collect()
    }

    /// What SQLite finds wrong with the database; nothing when it is whole.
    pub fn defects(&self) -> Vec<String> {
        store::check(&self.data_dir.database_path()).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// Whoever runs the command line.
pub fn operator() -> Actor {
    Actor { role: Role::Operator, name: "operator".to_owned() }
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}
