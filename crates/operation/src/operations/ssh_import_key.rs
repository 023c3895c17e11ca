//! `/ssh/import-key`: adds a key to an account's `~/.ssh/authorized_keys` unless it is there, and writes its private key to
//! `~/.ssh/id_TYPE` if there is one.

use std::ffi::CStr;

use serde_json::{Value, json};

use crate::accounts::public_key::PublicKey;
use crate::accounts::{authorized_keys, ssh_directory, ssh_keygen};
use crate::perform::{Context, Perform};
use crate::servers::sshd;
use crate::transaction::Transaction;
use crate::users::user;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;
use opterius_host::request::ssh_import_key::ImportKey;
use opterius_host::users::register::Register;

impl Perform for ImportKey {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { username, private_key, .. } = self;
        let (line, key) = (self.public_key.as_str().to_owned(), check(self, deadline)?);
        Transaction::run(host, deadline, |_| {
            let register = Register::read(host)?;
            let user = register.account(username)?;
            user::refuse_foreign_user(host, &register, user)?;
            let fingerprint = key.fingerprint();
            let file = private_key.clone().map(|private_key| (file_name(&key.kind), private_key));
            let add = move |before: &[u8]| {
                let existing = authorized_keys::keys(before).find(|existing| existing.blob == key.blob);
                (existing.is_none().then(|| authorized_keys::with(before, &line)), existing)
            };
            let existing = ssh_directory::change(host, user, file, deadline, add)?;
            let mut warnings = sshd::obstacles_to_keys(host, user, deadline);
            if existing.as_ref().is_some_and(|existing| existing.has_options) {
                let sentence =
                    "The key was in authorized_keys already, with options that limit what it can do; they stay.";
                warnings.push(sentence.to_owned());
            }
            Ok(json!({"fingerprint": fingerprint, "added": existing.is_none(), "warnings": warnings}))
        })
    }
}

/// Checks the key, and that both keys belong together.
fn check(request: &ImportKey, deadline: Deadline) -> Result<PublicKey, Problem> {
    let invalid = |rule: String| Problem::invalid("public_key", rule);
    let line = request.public_key.as_str();
    let damaged = "is damaged: it is not Base64 of a key of its type";
    let key = PublicKey::parse(line.as_bytes()).ok_or_else(|| invalid(damaged.to_owned()))?;
    key.check().map_err(invalid)?;
    ssh_keygen::check(line, &key, deadline)?;
    if let Some(private_key) = &request.private_key
        && ssh_keygen::public_blob(private_key, deadline)? != key.blob
    {
        return Err(Problem::invalid("private_key", "does not belong to public_key"));
    }
    Ok(key)
}

/// The name under which ssh(1) looks for a private key of this type.
fn file_name(kind: &str) -> &'static CStr {
    match kind {
        "ssh-rsa" => c"id_rsa",
        "ssh-ed25519" => c"id_ed25519",
        "sk-ssh-ed25519@openssh.com" => c"id_ed25519_sk",
        _ => c"id_ecdsa",
    }
}
