//! The server of a kind, if this host has it.

use crate::servers::database_server::{DatabaseServer, Engine};
use crate::servers::mariadb::{self, MariaDb};
use crate::servers::postgresql::{self, Postgresql};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;

/// Whether the server is installed.
pub fn is_installed(host: &Host, engine: Engine) -> bool {
    match engine {
        Engine::MariaDb => mariadb::is_installed(host),
        Engine::Postgresql => postgresql::is_installed(host),
    }
}

/// The running server.
///
/// # Errors
/// It is not installed or not running.
pub fn running(host: &Host, engine: Engine, deadline: Deadline) -> Result<Box<dyn DatabaseServer>, Problem> {
    Ok(match engine {
        Engine::MariaDb => Box::new(MariaDb::new(host, deadline)?),
        Engine::Postgresql => Box::new(Postgresql::new(host, deadline)?),
    })
}
