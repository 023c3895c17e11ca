//! `operation adopt`: adopts existing accounts on hosts that were set up without this Agent.
//!
//! A user is adopted if it is a regular user whose home is `/home/<name>` with an enabled site below it. Adopting only adds
//! the user to the group of accounts, and publishes records of its sites.

use log::warn;

use crate::accounts::user_manager;
use crate::databases::adoption;
use crate::dns::owner;
use crate::servers::sshd;
use crate::transaction::Transaction;
use crate::users::user;
use crate::web::certificate::current;
use crate::web::site::{Site, SiteFile};
use crate::web::{apply, pools, published_sites};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout::{AGENT_GROUP, SFTP_GROUP};
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;
use opterius_host::sites::site_record::{self, SiteRecord};
use opterius_host::sites::unmanaged_sites::{self, Candidate, UnmanagedFile};
use opterius_host::users::account::{self, Account};
use opterius_host::users::register::Register;

/// What an adoption did.
pub struct Adoption {
    /// The newly adopted accounts.
    pub adopted: Vec<Username>,
    /// Why other users with a site were not adopted, and what is wrong with accounts that were, as sentences.
    pub obstacles: Vec<String>,
    /// What happened to DNS zones without an owner, as sentences.
    pub zones: Vec<String>,
    /// What happened to databases and their users, as sentences.
    pub databases: Vec<String>,
}

/// Adopts existing accounts, and publishes records of all sites.
///
/// # Errors
/// The users, a group or a file cannot be read or changed.
pub fn adopt(host: &Host, deadline: Deadline) -> Result<Adoption, Problem> {
    Transaction::run(host, deadline, |transaction| {
        let register = Register::read(host)?;
        let files = unmanaged_sites::files(host);
        let mut adoption =
            Adoption { adopted: Vec::new(), obstacles: Vec::new(), zones: Vec::new(), databases: Vec::new() };
        for Candidate { username, obstacle } in unmanaged_sites::candidates(host, &register, &files)? {
            match obstacle {
                Some(obstacle) => adoption.obstacles.push(obstacle),
                None => {
                    user::join(host, &username, &Register::read(host)?, deadline)?;
                    write_record(host, &username, &register)?;
                    adoption.adopted.push(username);
                }
            }
        }
        adoption.obstacles.extend(unmanaged_sites::unfit_accounts(host)?);
        adoption.obstacles.extend(user_manager::mask_all(host, &Register::read(host)?, deadline)?);
        publish(host, &files, deadline)?;
        adoption.zones = owner::adopt_zones(host, deadline);
        adoption.databases = adoption::adopt(transaction, deadline)?;
        let to_move = pools::to_move(host)?;
        if to_move.is_empty() {
            pools::sweep(transaction, &[], deadline)?;
        } else {
            apply::apply(transaction, &to_move, deadline)?;
        }
        let confined = register.group(SFTP_GROUP).and_then(|group| group.members.first());
        let warnings = confined.map(|username| sshd::ensure(transaction, username, deadline)).transpose()?;
        warnings.into_iter().flatten().for_each(|warning| warn!("{warning}"));
        Ok(adoption)
    })
}

/// Writes the record of an account, with the current time as creation time if there is none.
fn write_record(host: &Host, username: &Username, register: &Register) -> Result<(), Problem> {
    let account = Account::read(host, username)?;
    let account = Account { created_at: account.created_at.or_else(|| Some(SystemClock.wall())), ..account };
    let path = account::path(host, username);
    let mode = FileMode { mode: 0o640, group: register.group(AGENT_GROUP).map(|group| group.gid) };
    files::replace(&path, &account.to_bytes(), mode).map_err(|error| Problem::at(&path, error))
}

/// Publishes records of all sites of accounts, managed or not.
fn publish(host: &Host, files: &[UnmanagedFile], deadline: Deadline) -> Result<(), Problem> {
    published_sites::repair(host, deadline)?;
    let register = Register::read(host)?;
    for file in files {
        let owner = register.accounts().iter().find_map(|name| Some((name, file.root(name)?)));
        let (Some((name, root)), Some(domain)) = (owner, file.domain()) else { continue };
        if file.foreign_part(name).is_some() || matches!(Site::read(host, &domain), Ok(SiteFile::Managed(_))) {
            continue;
        }
        let record = SiteRecord {
            names: file.names(),
            document_root: root.to_owned(),
            // Treat an unreadable certificate like a missing one.
            certificate: current::find(host, &domain).and_then(|found| current::describe(host, &found, deadline).ok()),
            ..SiteRecord::new(domain, Username::parse("username", name)?)
        };
        site_record::publish(host, &record, &register)?;
    }
    // What is still damaged belongs to no site.
    for (domain, _) in site_record::read_all(host)?.damaged {
        site_record::forget(host, &domain)?;
    }
    Ok(())
}
