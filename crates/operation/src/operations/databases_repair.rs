//! `/databases/repair`: repairs or optimizes all tables of a MariaDB database. Tables that cannot be repaired, such as InnoDB's, are checked.

use serde_json::{Value, json};

use crate::databases::owner;
use crate::perform::{Context, Perform};
use crate::servers::database_server::{DatabaseServer, Engine};
use crate::servers::mariadb::MariaDb;
use opterius_base::text::one_line;
use opterius_host::problem::Problem;
use opterius_host::request::databases_repair::RepairMariaDbDatabase;

/// Longest list of damaged tables in the answer, in characters.
const MAX_DAMAGED: usize = 600;

impl Perform for RepairMariaDbDatabase {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let server = MariaDb::new(host, deadline)?;
        owner::of_database(host, Engine::MariaDb, &self.name, || server.has_database(&self.name))?;
        if !server.has_database(&self.name)? {
            return Err(owner::missing(Engine::MariaDb, "database", &self.name));
        }
        let done = server.maintain(&self.name, self.action)?;
        match done.damaged.as_slice() {
            [] => Ok(json!({"name": self.name, "action": self.action, "tables": done.tables})),
            damaged => Err(Problem::Failed(format!(
                "Of {} tables in “{}”, {} are still damaged: {}. Restore them from a backup.",
                done.tables,
                self.name,
                damaged.len(),
                one_line(&damaged.join("; "), MAX_DAMAGED)
            ))),
        }
    }
}
