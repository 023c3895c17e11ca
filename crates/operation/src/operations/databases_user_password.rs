//! `/databases/user-password`: sets the password of a MariaDB user, on one host or on all.

use serde_json::Value;

use crate::databases::user_change;
use crate::perform::{Context, Perform};
use crate::servers::mariadb::MariaDb;
use opterius_host::problem::Problem;
use opterius_host::request::databases_user_password::SetMariaDbPassword;
use opterius_host::request::prefixed_name::ClientHost;

impl Perform for SetMariaDbPassword {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let from = self.host.map_or_else(|| ClientHost::ALL.map(Some).to_vec(), |host| vec![Some(host)]);
        let server = MariaDb::new(host, deadline)?;
        user_change::set_password(host, &server, (&self.username, &from), &self.password, deadline)
    }
}
