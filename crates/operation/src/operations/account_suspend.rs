//! `/account/suspend`: its sites answer 503, nobody logs in, and nothing of it runs; or it is given back what it had.

use serde_json::{Value, json};

use crate::accounts::{crontab, record};
use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use crate::users::user::Shadow;
use crate::users::{kill_processes, user};
use crate::web::site::Site;
use crate::web::{apply, unmanaged_sites};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::account_suspend::{SuspendAccount, SuspendAction};
use opterius_host::request::values::Username;
use opterius_host::users::account::{Account, Suspended};
use opterius_host::users::register::Register;

impl Perform for SuspendAccount {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        match self.action {
            SuspendAction::Suspend => suspend(host, &self.username, deadline),
            SuspendAction::Unsuspend => unsuspend(host, &self.username, deadline),
        }
    }
}

/// Suspends an account: its sites answer 503, nobody logs in, and nothing of it runs.
///
/// # Errors
/// There is no such account, nginx refused, or a process cannot be killed. A repeat completes it.
fn suspend(host: &Host, username: &Username, deadline: Deadline) -> Result<Value, Problem> {
    Transaction::run(host, deadline, |transaction| {
        let register = Register::read(host)?;
        let user = register.account(username)?.clone();
        user::refuse_user_of_system(&user)?;
        let account = Account::read(host, username)?;
        if account.suspended.is_none() {
            let shadow = user::shadow(host, username)?;
            let suspended = Suspended {
                at: SystemClock.wall(),
                shell: user.shell.clone(),
                password_locked: shadow.locked,
                expires: shadow.expires,
            };
            record::write(transaction, &Account { suspended: Some(suspended), ..account }, &register)?;
        }
        let mut warnings = unmanaged_sites::suspend(transaction, &user, deadline)?;
        warnings.extend(apply::apply(transaction, &Site::all_of(host, username), deadline)?);
        // From here on nothing is taken back: an account that is half shut out is shut out further by a repeat. It is
        // still one change: whoever gives it back at the same time comes after, and no two tools want one register.
        transaction.keep()?;
        user::disable_login(host, username, deadline)?;
        crontab::set_aside(host, username)?;
        kill_processes::kill_all(host, &user, deadline)?;
        Ok(json!({"username": username, "suspended": true, "warnings": warnings}))
    })
}

/// Gives an account back what it had.
///
/// # Errors
/// There is no such account, or nginx refused. A repeat completes it.
fn unsuspend(host: &Host, username: &Username, deadline: Deadline) -> Result<Value, Problem> {
    Transaction::run(host, deadline, |transaction| {
        let register = Register::read(host)?;
        let user = register.account(username)?.clone();
        let account = Account::read(host, username)?;
        let Some(suspended) = account.suspended.clone() else {
            return Ok(json!({"username": username, "suspended": false, "warnings": []}));
        };
        record::write(transaction, &Account { suspended: None, ..account }, &register)?;
        let mut warnings = unmanaged_sites::unsuspend(transaction, &user, deadline)?;
        warnings.extend(apply::apply(transaction, &Site::all_of(host, username), deadline)?);
        let was = Shadow { locked: suspended.password_locked, expires: suspended.expires };
        user::restore_login(host, username, &suspended.shell, &was, deadline)?;
        crontab::put_back(host, username)?;
        Ok(json!({"username": username, "suspended": false, "warnings": warnings}))
    })
}
