//! The administration commands. They work with or without a running server.

mod arguments;
mod backup;
pub mod failure;
mod files;
mod finding;
mod history;
mod keys;
mod license_list;
mod license_specs;
mod licenses;
mod listing;
mod lookup;
mod move_database;
mod operator;
pub mod parsing;
mod plans;
pub(crate) mod progress;
pub(crate) mod remedies;
mod restore;
mod servers;
mod session;
mod setup;
pub mod spec;
pub mod specs;
mod statistics;
mod suggestions;
pub mod task;
mod terminal;
mod tokens;
mod user_specs;
mod users;
pub mod values;
mod vendor_specs;
mod webhook_specs;
mod webhooks;

use std::path::Path;

use crate::PROGRAM;
use crate::commands::failure::Failure;
use crate::commands::session::Target;
use crate::commands::task::Task;
use opterius_daemon::output::complain;

/// Runs a command; returns the exit code.
pub(crate) fn run(config_file: &Path, task: &Task) -> u8 {
    match perform(config_file, task) {
        Ok(()) => 0,
        Err(failure) => {
            if !failure.sentence.is_empty() {
                complain(PROGRAM.name, &remedies::for_installation(config_file, &failure.sentence));
            }
            failure.code
        }
    }
}

fn perform(config_file: &Path, task: &Task) -> Result<(), Failure> {
    match task {
        Task::Init => return setup::init(config_file),
        Task::Check { json } => return setup::check(config_file, *json),
        Task::Backup { file } => return backup::once(&Target::new(config_file)?, file),
        Task::RepeatedBackup { directory, every, keep } => {
            return backup::repeatedly(&Target::new(config_file)?, directory, *every, *keep);
        }
        Task::Restore { file, undecided, confirmed } => {
            return restore::restore(&Target::new(config_file)?, file, *undecided, *confirmed);
        }
        Task::MoveDatabase { from, to } => return move_database::run(config_file, from, to),
        _ => {}
    }
    let mut session = Target::new(config_file)?.open()?;
    match task {
        Task::Init
        | Task::Check { .. }
        | Task::Backup { .. }
        | Task::RepeatedBackup { .. }
        | Task::Restore { .. }
        | Task::MoveDatabase { .. } => Ok(()),
        Task::ShowStatistics { json } => statistics::show(&mut session, *json),
        Task::CreateLicense { terms, json } => licenses::create(&mut session, terms, *json),
        Task::ListLicenses { owner, filter, limit, json } => {
            license_list::list(&mut session, owner.as_deref(), filter, *limit, *json)
        }
        Task::ShowLicense { license, reveal_key, json } => licenses::show(&mut session, license, *reveal_key, *json),
        Task::ChangeLicense { license, change } => licenses::change(&mut session, license, change),
        Task::TransferLicense { license, owner } => licenses::transfer(&mut session, license, owner),
        Task::DeleteLicense { license, confirmed } => licenses::delete(&mut session, license, *confirmed),
        Task::Revoke { license, ip, block } => servers::revoke(&mut session, license, *ip, *block),
        Task::Unblock { license, ip } => servers::unblock(&mut session, license, *ip),
        Task::Move { license, from, to } => servers::move_to(&mut session, license, *from, *to),
        Task::History { license, all, json } => history::list(&mut session, license.as_ref(), *all, *json),
        Task::ListPlans { json } => plans::list(&mut session, *json),
        Task::SetPlan { plan, confirmed } => plans::set(&mut session, plan, *confirmed),
        Task::ListUsers { json } => users::list(&mut session, *json),
        Task::ShowUser { name, json } => users::show(&mut session, name, *json),
        Task::AddUser { new, invite, mail, json } => users::add(&mut session, new, *invite, *mail, *json),
        Task::ChangeUser { name, change } => users::change(&mut session, name, change),
        Task::MakePasswordLink { name, purpose, mail, json } => {
            users::make_password_link(&mut session, name, *purpose, *mail, *json)
        }
        Task::ResetSecondFactor { name } => users::reset_second_factor(&mut session, name),
        Task::ListSessions { name, json } => users::list_sessions(&mut session, name, *json),
        Task::EndSessions { name } => users::end_sessions(&mut session, name),
        Task::DisableUser { name } => users::disable(&mut session, name),
        Task::EnableUser { name } => users::enable(&mut session, name),
        Task::DeleteUser { name, heir, confirmed } => users::delete(&mut session, name, heir.as_deref(), *confirmed),
        Task::SetPassword { name } => users::set_password(&mut session, name),
        Task::AddToken { terms, json } => tokens::add(&mut session, terms, *json),
        Task::ListTokens { json } => tokens::list(&mut session, *json),
        Task::RevokeToken { name } => tokens::revoke(&mut session, name),
        Task::AddWebhook { url, events, json } => webhooks::add(&mut session, url, events.as_deref(), *json),
        Task::ListWebhooks { json } => webhooks::list(&mut session, *json),
        Task::ShowWebhook { webhook, json } => webhooks::show(&mut session, *webhook, *json),
        Task::RemoveWebhook { webhook } => webhooks::remove(&mut session, *webhook),
        Task::RotateWebhook { webhook, json } => webhooks::rotate(&mut session, *webhook, *json),
        Task::TestWebhook { webhook } => webhooks::test(&mut session, *webhook),
        Task::ReplayEvents { webhook, event } => webhooks::replay(&mut session, *webhook, event.as_deref()),
        Task::ShowKeys { json } => keys::show(&session, *json),
        Task::RotateKeys { json } => keys::rotate(&mut session, *json),
        Task::RetireKeys { forced, json } => keys::retire(&mut session, *forced, *json),
    }
}
