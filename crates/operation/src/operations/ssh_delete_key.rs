//! `/ssh/delete-key`: removes the lines with a key from an account's `~/.ssh/authorized_keys` and `authorized_keys2`. Sessions of
//! the key continue.

use serde_json::{Value, json};

use crate::accounts::{authorized_keys, ssh_directory};
use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use crate::users::user;
use opterius_host::problem::Problem;
use opterius_host::request::ssh_delete_key::DeleteKey;
use opterius_host::users::register::Register;

impl Perform for DeleteKey {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { username, fingerprint } = self;
        Transaction::run(host, deadline, |_| {
            let register = Register::read(host)?;
            let user = register.account(username)?;
            user::refuse_foreign_user(host, &register, user)?;
            let wanted = fingerprint.clone();
            let delete = move |before: &[u8]| authorized_keys::without(before, wanted.as_str());
            if ssh_directory::reduce(host, user, deadline, delete)? {
                return Ok(json!({"username": username, "fingerprint": fingerprint}));
            }
            let sentence =
                format!("The account “{username}” has no SSH key with the fingerprint {}.", fingerprint.as_str());
            Err(Problem::NotFound(sentence))
        })
    }
}
