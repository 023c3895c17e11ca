//! `user …`: the users of the dashboard.

use serde::Serialize;

use crate::commands::failure::Failure;
use crate::commands::listing::{Listing, emit};
use crate::commands::session::Session;
use crate::commands::values::printable;
use crate::commands::{lookup, terminal};
use crate::model::User;
use crate::{actions, passwords};
use opterius_base::clock::Timestamp;

/// A user in JSON.
#[derive(Serialize)]
struct UserView {
    id: i64,
    name: String,
    administrator: bool,
    created_at: Timestamp,
}

pub(super) fn list(session: &mut Session, json: bool) -> Result<(), Failure> {
    let users = session.read(|transaction| Ok(transaction.users()?))?;
    let mut listing = Listing::new(json, &["ID", "NAME", "ROLE", "SINCE"]);
    let row = |user: &User| {
        let role = if user.administrator { "administrator" } else { "owner" };
        vec![user.id.to_string(), user.name.clone(), role.to_owned(), user.created_at.to_string()]
    };
    let view = |user: &User| {
        let User { id, name, administrator, created_at } = user.clone();
        UserView { id, name, administrator, created_at }
    };
    listing.add(&users, row, view)?;
    listing
        .end(&format!("No users. Add the first with: {} user add NAME --administrator", session.target.program()))?;
    Ok(())
}

pub(super) fn add(session: &mut Session, name: &str, administrator: bool) -> Result<(), Failure> {
    // Check the name before prompting for the password.
    actions::check_user_name(name)?;
    if session.read(|transaction| Ok(transaction.user(name)?))?.is_some() {
        return Err(Failure::refused(format!("User “{}” already exists.", printable(name))));
    }
    let hash = ask_for_hash(name)?;
    session.change(|transaction, actor| Ok(actions::add_user(transaction, actor, name, &hash, administrator)?))?;
    let what = if administrator { "an administrator" } else { "a license owner" };
    emit(&format!("User {name} added as {what}.\n"))?;
    Ok(())
}

pub(super) fn set_password(session: &mut Session, name: &str) -> Result<(), Failure> {
    let user = session.read(|transaction| lookup::user(transaction, name))?;
    let hash = ask_for_hash(&user.name)?;
    session.change(|transaction, actor| Ok(actions::set_password(transaction, actor, &user.name, &hash)?))?;
    emit(&format!("Password of {} changed. All sessions of the user have ended.\n", user.name))?;
    Ok(())
}

fn ask_for_hash(name: &str) -> Result<String, Failure> {
    let password = terminal::password(name)?;
    passwords::check(&password).map_err(Failure::refused)?;
    passwords::hash(&password).map_err(Failure::refused)
}
