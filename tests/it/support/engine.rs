//! The database under the license server in tests: a file of SQLite, or PostgreSQL if `OPTERIUS_TEST_ENGINE=postgresql` is in
//! the environment. `tests/on-postgresql` runs the tests of the license server in this way.

use super::postgresql::ScratchDatabase;
use opterius_license_server::config;
use opterius_license_server::installation::DataDir;
use std::path::Path;
use std::sync::Arc;

/// The engine of this process of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgresql,
}

impl Engine {
    pub fn of_tests() -> Engine {
        match std::env::var("OPTERIUS_TEST_ENGINE").as_deref() {
            Err(_) | Ok("sqlite") => Engine::Sqlite,
            Ok("postgresql") => Engine::Postgresql,
            Ok(other) => panic!("OPTERIUS_TEST_ENGINE is sqlite or postgresql, not {other}"),
        }
    }
}

/// Where the database of an installation is.
#[derive(Clone)]
pub struct DatabasePlace(Place);

#[derive(Clone)]
enum Place {
    /// A file in the directory of the installation.
    Directory,
    /// A database of PostgreSQL, deleted with the last clone.
    Scratch(Arc<ScratchDatabase>),
    /// The database of a connection string.
    Named(String),
}

impl DatabasePlace {
    /// A place for a new database: in the directory of the installation, or an empty database of PostgreSQL.
    pub fn new(engine: Engine) -> DatabasePlace {
        match engine {
            Engine::Sqlite => DatabasePlace::in_directory(),
            Engine::Postgresql => DatabasePlace(Place::Scratch(Arc::new(ScratchDatabase::empty()))),
        }
    }

    /// A file in the directory of the installation.
    pub fn in_directory() -> DatabasePlace {
        DatabasePlace(Place::Directory)
    }

    /// The database of a connection string.
    pub fn named(connection_string: &str) -> DatabasePlace {
        DatabasePlace(Place::Named(connection_string.to_owned()))
    }

    /// The value of `database` in license-server.conf; `None` for its default.
    pub fn setting(&self) -> Option<String> {
        match &self.0 {
            Place::Directory => None,
            Place::Scratch(database) => Some(database.uri()),
            Place::Named(connection_string) => Some(connection_string.clone()),
        }
    }

    /// The installation with its keys in this directory and its database at this place.
    pub fn installation(&self, directory: &Path) -> DataDir {
        let database = self.setting().map_or(String::new(), |database| format!("database={database}\n"));
        let text = format!("data_dir={}\n{database}", directory.display());
        DataDir::of(&config::parse(&text, "license-server.conf").unwrap_or_else(|error| panic!("{error}")).config)
    }

    /// The database of PostgreSQL, if it is one.
    pub fn postgresql(&self) -> Option<&ScratchDatabase> {
        match &self.0 {
            Place::Scratch(database) => Some(database),
            Place::Directory | Place::Named(_) => None,
        }
    }
}
