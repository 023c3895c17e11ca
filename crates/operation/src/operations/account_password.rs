//! `/account/password`: sets an account's password. For a suspended account, it takes effect when the account is
//! unsuspended.

use serde_json::{Value, json};

use crate::accounts::record;
use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use crate::users::user;
use opterius_host::problem::Problem;
use opterius_host::request::account_password::SetPassword;
use opterius_host::users::account::{Account, Suspended};
use opterius_host::users::register::Register;

impl Perform for SetPassword {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { username, password } = self;
        Transaction::run(host, deadline, |transaction| {
            let register = Register::read(host)?;
            user::refuse_foreign_user(host, &register, register.account(username)?)?;
            let account = Account::read(host, username)?;
            if let Some(suspended) = account.suspended.clone() {
                let suspended = Some(Suspended { password_locked: false, ..suspended });
                record::write(transaction, &Account { suspended, ..account }, &register)?;
                user::set_password(host, username, password, deadline)?;
                user::lock_password(host, username, deadline)?;
            } else {
                user::set_password(host, username, password, deadline)?;
            }
            Ok(json!({ "username": username }))
        })
    }
}
