//! What every command needs: the open installation and the actor of its changes.

use std::path::{Path, PathBuf};

use crate::PROGRAM;
use crate::commands::failure::Failure;
use crate::commands::listing::emit;
use crate::commands::{operator, remedies};
use crate::config::{self, Config, Loaded};
use crate::installation::{DataDir, Installation};
use crate::keys::SigningKeys;
use crate::model::Actor;
use crate::store::{Database, ReadTransaction, WriteTransaction};
use crate::webhooks::receiver_address::Receivers;
use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_daemon::output::complain;

/// The installation that a command works on.
pub(super) struct Target {
    config_file: PathBuf,
    pub(super) config: Config,
    pub(super) data_dir: DataDir,
    pub(super) receivers: Receivers,
}

impl Target {
    pub(super) fn new(config_file: &Path) -> Result<Self, Failure> {
        let Loaded { config, warnings } = config::load(config_file)?;
        for warning in warnings {
            complain(PROGRAM.name, &format!("warning: {warning}"));
        }
        let data_dir = DataDir::of(&config);
        let receivers = config.receivers;
        Ok(Self { config_file: config_file.to_owned(), config, data_dir, receivers })
    }

    /// The beginning of a command line for this installation.
    pub(super) fn program(&self) -> String {
        remedies::program(&self.config_file)
    }

    pub(super) fn open(self) -> Result<Session, Failure> {
        let Installation { database, keys, .. } = self.data_dir.open()?;
        Ok(Session { target: self, database, keys, actor: operator::actor() })
    }
}

/// The open installation, and the actor of changes.
pub(super) struct Session {
    pub(super) target: Target,
    database: Database,
    pub(super) keys: SigningKeys,
    actor: Actor,
}

impl Session {
    pub(super) fn now() -> Timestamp {
        SystemClock.wall()
    }

    pub(super) fn read<T>(
        &mut self,
        work: impl FnOnce(&ReadTransaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.database.read(work)
    }

    pub(super) fn change<T>(
        &mut self,
        work: impl FnOnce(&WriteTransaction<'_>, &Actor) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Self { database, actor, .. } = self;
        database.change(Self::now(), |transaction| work(transaction, actor))
    }

    /// Makes a change and prints its message.
    pub(super) fn change_and_print(
        &mut self,
        work: impl FnOnce(&WriteTransaction<'_>, &Actor) -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        let sentence = self.change(work)?;
        emit(&format!("{sentence}\n"))?;
        Ok(())
    }
}
