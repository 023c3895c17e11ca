//! Changing the settings of a site.

use std::slice;

use crate::transaction::Transaction;
use crate::users::user;
use crate::web::site::Site;
use crate::web::{apply, site_settings};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::sites::site_settings::SiteSettings;
use opterius_host::users::register::Register;

/// Changes the settings of a site, and sees that nginx serves it with them. Returns warnings.
///
/// # Errors
/// The account is no longer one, the settings cannot be read or changed, or nginx does not serve the change.
pub fn change_settings(
    transaction: &mut Transaction<'_>,
    site: &Site,
    deadline: Deadline,
    change: impl FnOnce(&mut SiteSettings),
) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    check_account(host, site)?;
    let mut settings = site_settings::read(host, &site.domain)?;
    change(&mut settings);
    site_settings::write(transaction, &site.domain, &settings)?;
    apply::apply(transaction, slice::from_ref(site), deadline)
}

/// Checks that a site's account exists and is not a user of someone else.
///
/// # Errors
/// It is not.
pub fn check_account(host: &Host, site: &Site) -> Result<(), Problem> {
    let register = Register::read(host)?;
    user::refuse_foreign_user(host, &register, register.account(&site.username)?)
}
