//! What a command names, found in the store; what is not there is told with the command that lists what is.

use crate::actions::{self, Refusal};
use crate::commands::failure::Failure;
use crate::commands::values::{Named, shown};
use crate::model::{License, User};
use crate::store::Reader;

/// The license with this number or key.
pub(super) fn license(reader: &Reader<'_>, named: &Named) -> Result<License, Failure> {
    let (found, what) = match named {
        Named::Number(number) => (reader.license(*number)?, number.to_string()),
        Named::Key(key) => {
            // Keys are of capitals; whoever copies one by hand may not be.
            let found = match reader.license_by_key(key.expose())? {
                None => reader.license_by_key(&key.expose().to_ascii_uppercase())?,
                found => found,
            };
            (found, format!("with the key {}", key.masked()))
        }
    };
    found.ok_or_else(|| {
        Refusal::NotFound(format!("There is no license {what}. See: opterius-license-server license list")).into()
    })
}

/// The user with this name.
pub(super) fn user(reader: &Reader<'_>, name: &str) -> Result<User, Failure> {
    let no_user = || {
        // What can be no name cannot be made one.
        let make = match actions::check_user_name(name) {
            Ok(()) => format!("; or make one: opterius-license-server user add {name}"),
            Err(_) => String::new(),
        };
        Failure::refused(format!("There is no user “{}”. See: opterius-license-server user list{make}", shown(name)))
    };
    let (user, _) = reader.user(name)?.ok_or_else(no_user)?;
    Ok(user)
}
