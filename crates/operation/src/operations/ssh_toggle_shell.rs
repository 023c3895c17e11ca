//! `/ssh/toggle-shell`: gives an account a login shell, or takes it away and ends its SSH sessions and user services. SFTP works
//! either way. For a suspended account, it takes effect when the account is unsuspended.

use std::path::Path;

use serde_json::{Value, json};

use crate::accounts::{linger, record, user_manager};
use crate::perform::{Context, Perform};
use crate::servers::sshd;
use crate::transaction::Transaction;
use crate::users::{end_sessions, shell, user};
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::ssh_toggle_shell::ToggleShell;
use opterius_host::users::account::{Account, Suspended};
use opterius_host::users::register::Register;

impl Perform for ToggleShell {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { username, enabled } = self;
        Transaction::run(host, deadline, |transaction| {
            let register = Register::read(host)?;
            let user = register.account(username)?.clone();
            user::refuse_foreign_user(host, &register, &user)?;
            let account = Account::read(host, username)?;
            // A suspension has put another shell into the place of this one.
            let current = account.suspended.as_ref().map_or(&user.shell, |suspended| &suspended.shell).clone();
            let new = match enabled {
                true => enabled_shell(host, &current, account.previous_shell.as_deref()),
                false => user::NO_SHELL.to_owned(),
            };
            let previous = if shell::is_login(&current) { Some(current) } else { account.previous_shell.clone() };
            let is_suspended = account.suspended.is_some();
            let suspended = account.suspended.clone().map(|before| Suspended { shell: new.clone(), ..before });
            record::write(transaction, &Account { suspended, previous_shell: previous, ..account }, &register)?;
            let effective = if is_suspended { user::NO_SHELL } else { &new };
            if *enabled {
                user_manager::unmask(transaction, &user)?;
            } else {
                user_manager::mask(transaction, &user)?;
            }
            shell::set(host, &user, effective, !enabled, deadline)?;
            // From here on, nothing is rolled back, except for sshd's file: repeating the request completes it.
            transaction.commit()?;
            let mut warnings: Vec<String> = user_manager::follow(host, &user, deadline).into_iter().collect();
            if *enabled {
                if linger::is_enabled(host, username) {
                    user_manager::start(host, &user, deadline);
                }
            } else {
                warnings.extend(sshd::ensure(transaction, username.as_str(), deadline)?);
                transaction.commit()?;
                end_sessions::end_sessions(host, &user, user_manager::is_masked(host, &user), deadline)?;
            }
            Ok(json!({"username": username, "enabled": enabled, "shell": new, "warnings": warnings}))
        })
    }
}

/// The shell of an account with one: what it has or had before, if that is still installed.
fn enabled_shell(host: &Host, current: &str, previous: Option<&str>) -> String {
    let is_installed = |shell: &&str| shell::is_login(shell) && host.path(shell).is_file();
    let found = [Some(current), previous].into_iter().flatten().find(is_installed);
    found.map_or_else(|| default_shell(host), str::to_owned)
}

fn default_shell(host: &Host) -> String {
    let exists = |shell: &&&str| !host.is_machine() || Path::new(shell).is_file();
    shell::LOGIN_SHELLS.iter().find(exists).map_or("/bin/sh", |shell| shell).to_owned()
}
