//! Finds the license or user that a command names. If it does not exist, the error names the command that lists them.

use crate::actions::{self, Refusal};
use crate::commands::failure::Failure;
use crate::commands::values::{LicenseRef, printable};
use crate::model::{License, User};
use crate::store::ReadTransaction;

/// The license with this number or key.
pub(super) fn license(transaction: &ReadTransaction<'_>, license_ref: &LicenseRef) -> Result<License, Failure> {
    let (found, what) = match license_ref {
        LicenseRef::Number(number) => (transaction.license(*number)?, number.to_string()),
        LicenseRef::Key(key) => (transaction.license_by_key(key.expose())?, format!("with the key {}", key.masked())),
    };
    found.ok_or_else(|| {
        Refusal::NotFound(format!("There is no license {what}. See: opterius-license-server license list")).into()
    })
}

/// The user with this name.
pub(super) fn user(transaction: &ReadTransaction<'_>, name: &str) -> Result<User, Failure> {
    let no_user = || {
        // Suggest adding the user only if the name is valid.
        let add = match actions::check_user_name(name) {
            Ok(()) => format!("; or add the user: opterius-license-server user add {name}"),
            Err(_) => String::new(),
        };
        Failure::refused(format!("There is no user “{}”. See: opterius-license-server user list{add}", printable(name)))
    };
    let (user, _) = transaction.user(name)?.ok_or_else(no_user)?;
    Ok(user)
}
