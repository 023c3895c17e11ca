//! `/account/suspend`: suspends an account, so that its sites answer 503, its user cannot log in, its processes are
//! stopped, and the users of its databases are locked; or unsuspends it.

use serde_json::{Value, json};

use crate::accounts::{eviction, linger, record, sources};
use crate::databases::account as databases;
use crate::perform::{Context, Perform};
use crate::servers::nginx::cause;
use crate::transaction::Transaction;
use crate::users::user;
use crate::users::user::Shadow;
use crate::web::apply::Applied;
use crate::web::site::Site;
use crate::web::{apply, published_sites, unmanaged_sites};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::account_suspend::{SuspendAccount, SuspendAction};
use opterius_host::request::values::Username;
use opterius_host::users::account::{Account, Suspended};
use opterius_host::users::register::{Register, User};

impl Perform for SuspendAccount {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        match self.action {
            SuspendAction::Suspend => suspend(host, &self.username, deadline),
            SuspendAction::Unsuspend => unsuspend(host, &self.username, deadline),
        }
    }
}

/// Suspends an account.
///
/// # Errors
/// The account does not exist, nginx rejected the configuration, or a process cannot be killed. Repeating the request
/// completes it.
fn suspend(host: &Host, username: &Username, deadline: Deadline) -> Result<Value, Problem> {
    Transaction::run(host, deadline, |transaction| {
        let register = Register::read(host)?;
        let user = register.account(username)?.clone();
        user::refuse_foreign_user(host, &register, &user)?;
        let account = Account::read(host, username)?;
        if account.suspended.is_none() {
            let shadow = user::shadow(host, username)?;
            let suspended = Suspended {
                at: SystemClock.wall(),
                shell: user.shell.clone(),
                password_locked: shadow.locked,
                expires: shadow.expires,
                linger: linger::is_enabled(host, username),
            };
            record::write(transaction, &Account { suspended: Some(suspended), ..account }, &register)?;
        }
        // From here on, nothing is rolled back: whatever is wrong with the web server, the tenant stays locked out, and
        // repeating the request completes the suspension. It all runs under the transaction's lock, so that a concurrent
        // unsuspension comes later, and only one tool changes /etc/passwd.
        transaction.commit()?;
        // If the login cannot be disabled, because a program of root's holds the lock, the sites stop all the same.
        let locked_out = eviction::lock_out(host, username, &user, deadline);
        let served = answer_503(transaction, username, &user, deadline);
        if served.is_ok() {
            transaction.commit()?;
        }
        // A process that cannot be ended keeps nothing else from being suspended, nor does a server of databases.
        let ended = eviction::end(host, username, &user, deadline);
        let locked = databases::suspend(transaction, username, deadline);
        locked_out?;
        let ended = ended?;
        let Applied { mut warnings, obstacle } = served?;
        warnings.extend(ended.into_iter().filter(|warning| !warnings.contains(warning)).collect::<Vec<_>>());
        if let Some(obstacle) = obstacle {
            return Err(still_served(username, obstacle));
        }
        warnings.extend(locked?);
        Ok(json!({"username": username, "suspended": true, "warnings": warnings}))
    })
}

/// Makes all sites of the account answer 503, and stops their PHP. If nginx cannot load that now, the files stay.
fn answer_503(
    transaction: &mut Transaction<'_>,
    username: &Username,
    user: &User,
    deadline: Deadline,
) -> Result<Applied, Problem> {
    let host = transaction.host();
    let Applied { mut warnings, obstacle } = unmanaged_sites::suspend(transaction, user, deadline)?;
    let further = unmanaged_sites::expected(host, user);
    let applied = apply::apply_suspension(transaction, &Site::all_of(host, username)?, &further, deadline)?;
    warnings.extend(applied.warnings);
    warnings.extend(published_sites::repair(host, deadline)?);
    Ok(Applied { warnings, obstacle: applied.obstacle.or(obstacle) })
}

/// The error for an account whose sites nginx still serves. Everything else is suspended, and the sites will be once nginx
/// loads its configuration.
fn still_served(username: &Username, obstacle: Problem) -> Problem {
    let sentence = |cause: String| {
        let whose = if cause::names_foreign_file(&cause) { " This was not caused by the suspension." } else { "" };
        format!(
            "“{username}” cannot log in and its processes have ended, but its sites may still be served. {cause}{whose} Correct \
             it, and suspend the account again."
        )
    };
    match obstacle {
        Problem::Conflict(cause) => Problem::Conflict(sentence(cause)),
        problem if cause::names_foreign_file(&problem.message()) => Problem::BrokenBefore(sentence(problem.message())),
        problem => Problem::Failed(sentence(problem.message())),
    }
}

/// Unsuspends an account: restores its state from before the suspension.
///
/// # Errors
/// The account does not exist, or nginx rejected the configuration. Repeating the request completes it.
fn unsuspend(host: &Host, username: &Username, deadline: Deadline) -> Result<Value, Problem> {
    Transaction::run(host, deadline, |transaction| {
        let register = Register::read(host)?;
        let user = register.account(username)?.clone();
        user::refuse_foreign_user(host, &register, &user)?;
        let account = Account::read(host, username)?;
        let Some(suspended) = account.suspended.clone() else {
            return Ok(json!({"username": username, "suspended": false, "warnings": []}));
        };
        record::write(transaction, &Account { suspended: None, ..account }, &register)?;
        let mut warnings = unmanaged_sites::unsuspend(transaction, &user, deadline)?;
        warnings.extend(apply::apply(transaction, &Site::all_of(host, username)?, deadline)?);
        warnings.extend(published_sites::repair(host, deadline)?);
        let before = Shadow { locked: suspended.password_locked, expires: suspended.expires };
        databases::unsuspend(transaction, username, deadline)?;
        user::restore_login(host, username, &suspended.shell, &before, deadline)?;
        sources::restore(host, username, &user, &suspended, deadline)?;
        Ok(json!({"username": username, "suspended": false, "warnings": warnings}))
    })
}
