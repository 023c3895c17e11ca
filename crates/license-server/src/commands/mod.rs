//! What the command line does to an installation, beside a running server or without one.

pub mod failure;
mod files;
mod finding;
pub mod form;
pub mod forms;
mod given;
mod history;
mod keys;
mod license_forms;
mod licenses;
mod listing;
mod lookup;
mod operator;
pub mod parsing;
mod plans;
pub(crate) mod remedies;
mod session;
mod setup;
mod slips;
pub mod task;
mod terminal;
mod users;
pub mod values;
mod vendor_forms;

use std::path::Path;

use crate::PROGRAM;
use crate::commands::failure::Failure;
use crate::commands::session::Site;
use crate::commands::task::Task;
use opterius_daemon::output::complain;

/// Does one thing; returns the exit code.
pub(crate) fn run(config: &Path, task: &Task) -> u8 {
    match perform(config, task) {
        Ok(()) => 0,
        Err(failure) => {
            if !failure.sentence.is_empty() {
                complain(PROGRAM.name, &remedies::for_installation(config, &failure.sentence));
            }
            failure.code
        }
    }
}

fn perform(config: &Path, task: &Task) -> Result<(), Failure> {
    match task {
        Task::Init => return setup::init(config),
        Task::Check { json } => return setup::check(config, *json),
        Task::Backup { file } => return setup::backup(&Site::new(config)?, file),
        _ => {}
    }
    let mut desk = Site::new(config)?.open()?;
    match task {
        Task::Init | Task::Check { .. } | Task::Backup { .. } => Ok(()),
        Task::CreateLicense { owner, new, json } => licenses::create(&mut desk, owner, new, *json),
        Task::ListLicenses { owner, search, all, json } => {
            licenses::list(&mut desk, owner.as_deref(), search.as_deref(), *all, *json)
        }
        Task::ShowLicense { license, reveal_key, json } => licenses::show(&mut desk, license, *reveal_key, *json),
        Task::ChangeLicense { license, change } => licenses::change(&mut desk, license, change),
        Task::DeleteLicense { license, confirmed } => licenses::delete(&mut desk, license, *confirmed),
        Task::Revoke { license, ip } => licenses::revoke(&mut desk, license, *ip),
        Task::Move { license, from, to } => licenses::move_to(&mut desk, license, *from, *to),
        Task::History { license, all, json } => history::list(&mut desk, license.as_ref(), *all, *json),
        Task::ListPlans { json } => plans::list(&mut desk, *json),
        Task::SetPlan(plan) => plans::set(&mut desk, plan),
        Task::ListUsers { json } => users::list(&mut desk, *json),
        Task::AddUser { name, administrator } => users::add(&mut desk, name, *administrator),
        Task::SetPassword { name } => users::set_password(&mut desk, name),
        Task::ShowKeys { json } => keys::show(&desk, *json),
        Task::RotateKeys { json } => keys::rotate(&mut desk, *json),
        Task::RetireKeys { forced, json } => keys::retire(&mut desk, *forced, *json),
    }
}
