//! `/databases/create`: creates a MariaDB database for the account in front of its name.

use serde_json::Value;

use crate::databases::change;
use crate::perform::{Context, Perform};
use crate::servers::mariadb::MariaDb;
use opterius_host::problem::Problem;
use opterius_host::request::databases_create::CreateMariaDbDatabase;

impl Perform for CreateMariaDbDatabase {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        change::create(host, &MariaDb::new(host, deadline)?, &self.name, deadline)
    }
}
