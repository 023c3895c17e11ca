//! What the command line does to an installation, beside a running server or without one.

mod files;
pub mod forms;
mod history;
mod keys;
mod licenses;
mod listing;
mod operator;
pub mod parsing;
mod plans;
pub(crate) mod remedies;
mod setup;
mod slips;
pub mod task;
mod terminal;
mod users;
pub mod values;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::process::output::complain;
use crate::process::settings::Error as SettingsError;
use crate::process::{EXIT_CONFIGURATION, EXIT_FAILURE, EXIT_PERMISSION};
use crate::server::PROGRAM;
use crate::server::actions::Refusal;
use crate::server::commands::listing::emit;
use crate::server::commands::task::Task;
use crate::server::installation::{self, Installation, Place};
use crate::server::keys::{Error as KeyError, SigningKeys};
use crate::server::model::Actor;
use crate::server::settings::{self, Loaded};
use crate::server::store::{Changes, Database, Error as StoreError, Reader};

/// Why a command did not do what it was asked to: a sentence, and the exit code that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) sentence: String,
}

impl Failure {
    /// It was refused, or it failed.
    pub(crate) fn refused(sentence: impl Into<String>) -> Self {
        Self { code: EXIT_FAILURE, sentence: sentence.into() }
    }

    fn permission(sentence: impl Into<String>) -> Self {
        Self { code: EXIT_PERMISSION, sentence: sentence.into() }
    }

    fn unusable(sentence: impl Into<String>) -> Self {
        Self { code: EXIT_CONFIGURATION, sentence: sentence.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentence)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let sentence = error.to_string();
        match error {
            StoreError::Permission(_) | StoreError::ReadOnly(_) => Self::permission(sentence),
            StoreError::Missing(_) | StoreError::Exposed(_) | StoreError::Unusable(..) | StoreError::Newer(..) => {
                Self::unusable(sentence)
            }
            StoreError::Busy | StoreError::Full | StoreError::Taken | StoreError::Failed(_) => Self::refused(sentence),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            // Whoever sits at the machine is told the cause; a page does not show it.
            Refusal::Store(error) => error.into(),
            refusal => Self::refused(refusal.to_string()),
        }
    }
}

impl From<installation::Error> for Failure {
    fn from(error: installation::Error) -> Self {
        match error {
            installation::Error::Permission(sentence) => Self::permission(sentence),
            installation::Error::Unusable(sentence) => Self::unusable(sentence),
            installation::Error::Refused(sentence) => Self::refused(sentence),
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Permission(sentence) => Self::permission(sentence),
            KeyError::Unusable(sentence) => Self::unusable(sentence),
            KeyError::Refused(sentence) => Self::refused(sentence),
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self { code: error.exit_code(), sentence: error.to_string() }
    }
}

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

/// Which installation a command is about.
struct Site {
    config: PathBuf,
    place: Place,
}

impl Site {
    fn new(config: &Path) -> Result<Self, Failure> {
        let Loaded { settings, warnings } = settings::load(config)?;
        for warning in warnings {
            complain(PROGRAM.name, &format!("warning: {warning}"));
        }
        let place = Place::new(&settings.data_dir);
        Ok(Self { config: config.to_owned(), place })
    }

    /// How another command on this installation begins.
    fn program(&self) -> String {
        remedies::program(&self.config)
    }

    fn open(self) -> Result<Desk, Failure> {
        let Installation { database, keys, .. } = self.place.open()?;
        Ok(Desk { site: self, database, keys, actor: operator::actor() })
    }
}

/// What a command works on, and in whose name.
struct Desk {
    site: Site,
    database: Database,
    keys: SigningKeys,
    actor: Actor,
}

impl Desk {
    fn now() -> Timestamp {
        SystemClock.wall()
    }

    fn read<T>(&mut self, work: impl FnOnce(&Reader<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        self.database.read(work)
    }

    fn change<T>(&mut self, work: impl FnOnce(&Changes<'_>, &Actor) -> Result<T, Failure>) -> Result<T, Failure> {
        let Self { database, actor, .. } = self;
        database.change(Self::now(), |changes| work(changes, actor))
    }

    /// Changes something and prints the sentence that tells of it.
    fn tell(&mut self, work: impl FnOnce(&Changes<'_>, &Actor) -> Result<String, Failure>) -> Result<(), Failure> {
        let sentence = self.change(work)?;
        emit(&format!("{sentence}\n"))?;
        Ok(())
    }
}
