//! The account whose files an operation accesses.

use std::time::Duration;

use crate::accounts::home;
use crate::files::home::Home;
use crate::users::{run_as_user, user};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;
use opterius_host::users::register::{Register, User};

/// Time limit for one file or directory. It is short, because few operations can run at the same time.
pub const SHORT: Duration = Duration::from_secs(10);

/// Time limit for a whole tree. The next request continues.
pub const LONG: Duration = Duration::from_secs(60);

/// Extra time for work that ends by itself at its deadline, so that it says what was done.
const GRACE: Duration = Duration::from_secs(2);

/// An account. A suspended one, too: its processes have ended, and administrators look at its files and clean them.
pub struct Owner<'a> {
    host: &'a Host,
    user: User,
}

impl<'a> Owner<'a> {
    /// The account with this name.
    ///
    /// # Errors
    /// There is none, or its user is not a customer's.
    pub fn of(host: &'a Host, username: &Username) -> Result<Self, Problem> {
        let register = Register::read(host)?;
        let user = register.account(username)?.clone();
        user::refuse_foreign_user(host, &register, &user)?;
        Ok(Self { host, user })
    }

    /// Works on the account's home, with the account's privileges. The work should end by itself at the deadline.
    ///
    /// # Errors
    /// The account has no home, the deadline has passed, or the work failed.
    pub fn run<T: Send + 'static>(
        &self,
        deadline: Deadline,
        work: impl FnOnce(&Home) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let home = Home::new(home::open(self.host, &self.user)?);
        let what = format!("/home/{}", self.user.name);
        let end = Deadline::within(deadline.left().saturating_add(GRACE));
        run_as_user::run_as_user(&self.user, &what, end, move || work(&home))?
    }
}
