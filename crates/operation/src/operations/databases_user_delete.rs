//! `/databases/user-delete`: deletes a MariaDB user, on one host or on all, and ends the user's connections.

use serde_json::Value;

use crate::databases::user_change;
use crate::perform::{Context, Perform};
use crate::servers::mariadb::MariaDb;
use opterius_host::problem::Problem;
use opterius_host::request::databases_user_delete::DeleteMariaDbUser;
use opterius_host::request::prefixed_name::ClientHost;

impl Perform for DeleteMariaDbUser {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let from = self.host.map_or_else(|| ClientHost::ALL.map(Some).to_vec(), |host| vec![Some(host)]);
        let server = MariaDb::new(host, deadline)?;
        user_change::delete(host, &server, (&self.username, &from), deadline)
    }
}
