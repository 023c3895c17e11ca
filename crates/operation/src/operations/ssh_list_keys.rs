//! `/ssh/list-keys`: lists the keys in an account's `~/.ssh/authorized_keys`, and in `authorized_keys2`, which sshd reads, too.

use serde_json::{Value, json};

use crate::accounts::{authorized_keys, ssh_directory};
use crate::perform::{Context, Perform};
use crate::users::user;
use opterius_base::text::one_line;
use opterius_host::problem::Problem;
use opterius_host::request::ssh_list_keys::ListKeys;
use opterius_host::users::register::Register;

/// Longest comment in the answer, in characters.
const MAX_COMMENT: usize = 255;

/// Most keys in the answer.
const MAX_KEYS: usize = 1000;

impl Perform for ListKeys {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let register = Register::read(host)?;
        let user = register.account(&self.username)?;
        user::refuse_foreign_user(host, &register, user)?;
        let bytes = ssh_directory::read(host, user, deadline)?;
        let keys = authorized_keys::keys(&bytes).take(MAX_KEYS).map(|key| {
            let comment = one_line(&String::from_utf8_lossy(&key.comment), MAX_COMMENT);
            json!({"type": key.kind, "comment": comment, "fingerprint": key.fingerprint()})
        });
        Ok(json!({"keys": keys.collect::<Vec<_>>()}))
    }
}
