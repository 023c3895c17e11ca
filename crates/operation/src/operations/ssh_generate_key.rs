//! `/ssh/generate-key`: makes a key, adds it to an account's `~/.ssh/authorized_keys`, and answers with the private key, which is
//! kept nowhere.

use serde_json::{Value, json};

use crate::accounts::{authorized_keys, ssh_directory, ssh_keygen};
use crate::perform::{Context, Perform};
use crate::servers::sshd;
use crate::transaction::Transaction;
use crate::users::user;
use opterius_host::problem::Problem;
use opterius_host::request::ssh_generate_key::GenerateKey;
use opterius_host::users::register::Register;

impl Perform for GenerateKey {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { username, key_type, comment } = self;
        Register::read(host)?.account(username)?;
        // Other operations do not wait meanwhile: an RSA key can take seconds.
        let (private_key, line) = ssh_keygen::generate(host, *key_type, comment, deadline)?;
        let key = authorized_keys::keys(line.as_bytes()).next();
        let fingerprint =
            key.ok_or_else(|| Problem::failure("ssh-keygen made an unknown key".to_owned()))?.fingerprint();
        Transaction::run(host, deadline, |_| {
            let register = Register::read(host)?;
            let user = register.account(username)?;
            user::refuse_foreign_user(host, &register, user)?;
            let add = move |before: &[u8]| (Some(authorized_keys::with(before, &line)), ());
            ssh_directory::change(host, user, None, deadline, add)?;
            let warnings = sshd::obstacles_to_keys(host, user, deadline);
            let private_key = private_key.expose();
            Ok(json!({"private_key": private_key, "fingerprint": fingerprint, "warnings": warnings}))
        })
    }
}
