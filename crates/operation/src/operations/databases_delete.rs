//! `/databases/delete`: deletes a MariaDB database that the Agent made.

use serde_json::Value;

use crate::databases::change;
use crate::perform::{Context, Perform};
use crate::servers::mariadb::MariaDb;
use opterius_host::problem::Problem;
use opterius_host::request::databases_delete::DeleteMariaDbDatabase;

impl Perform for DeleteMariaDbDatabase {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        change::delete(host, &MariaDb::new(host, deadline)?, &self.name, deadline)
    }
}
