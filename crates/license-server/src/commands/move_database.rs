//! `move`: copies a database of either engine to an empty one, and compares both.

use std::path::Path;
use std::sync::Arc;

use crate::PROGRAM;
use crate::commands::failure::Failure;
use crate::commands::listing::{emit, table};
use crate::commands::progress::Progress;
use crate::commands::remedies;
use crate::commands::session::Session;
use crate::commands::task::DatabasePlace;
use crate::config::{self, Loaded};
use crate::installation::DataDir;
use crate::store::{self, CopiedTable, CopyCounter, Error, Location};
use opterius_base::dates::counted;
use opterius_daemon::output::complain;

/// How much of a checksum is printed: enough to compare by eye.
const SHOWN_CHECKSUM: usize = 16;

pub(super) fn run(config_file: &Path, from: &DatabasePlace, to: &DatabasePlace) -> Result<(), Failure> {
    let (source, installation) = open(from)?;
    let (target, _) = open(to)?;
    if source == target {
        return Err(Failure::refused(format!("{source}: this is the source and the target. Nothing was changed")));
    }
    let installation = installation.or_else(|| configured(config_file, &source));
    // SQLite refuses the file of a running server, too, but cannot tell which process it is.
    let lock = installation.filter(|found| source.file().is_some() && found.directory.is_dir());
    let _lock =
        lock.map(|found| found.check_not_restoring().and_then(|()| found.locks().lock_replacement())).transpose()?;
    let counter = Arc::new(CopyCounter::default());
    let progress = Progress::start_copy("Moving the database", &counter);
    let copied = store::transfer(&source, &target, Session::now(), &counter);
    drop(progress);
    let copied = copied.map_err(|error| failure(error, &target))?;
    emit(&summary(&source, &target, to, &copied))?;
    Ok(())
}

/// The database, and its installation if the configuration file names it.
fn open(place: &DatabasePlace) -> Result<(Location, Option<DataDir>), Failure> {
    let file = match place {
        DatabasePlace::Location(location) => return Ok((location.clone(), None)),
        DatabasePlace::Config(file) => file,
    };
    let Loaded { config, warnings } = config::load(file)?;
    for warning in warnings {
        complain(PROGRAM.name, &format!("warning: {warning}"));
    }
    let data_dir = DataDir::of(&config);
    Ok((data_dir.database().clone(), Some(data_dir)))
}

/// The configured installation, if this is its database.
fn configured(config_file: &Path, database: &Location) -> Option<DataDir> {
    let found = config::load(config_file).ok().map(|loaded| DataDir::of(&loaded.config));
    found.filter(|found| found.database() == database)
}

/// Why nothing was moved. What fails is the target, unless the sentence names the source.
fn failure(error: Error, target: &Location) -> Failure {
    match error {
        Error::Full => Failure::refused(format!(
            "{target}: the disk is full. The target is as it was before. Make room and repeat the command"
        )),
        Error::Failed(cause) => Failure::refused(format!("nothing was moved: {cause}")),
        error => error.into(),
    }
}

fn summary(source: &Location, target: &Location, place: &DatabasePlace, copied: &[CopiedTable]) -> String {
    let row = |copied: &CopiedTable| {
        let checksum = copied.checksum.get(..SHOWN_CHECKSUM).unwrap_or_default().to_owned();
        vec![copied.name.clone(), copied.rows.to_string(), checksum]
    };
    let mut text = table(&["TABLE", "ROWS", "CHECKSUM"], copied.iter().map(row).collect());
    let rows = copied.iter().fold(0_u64, |sum, copied| sum.saturating_add(copied.rows));
    text.push_str(&format!(
        "\nCopied {} in {} to {target}; all are the same in both databases. {source} is unchanged.\n\
         The signing keys are a file, signing-keys.json in data_dir, and stay: every instance needs them.\n\n\
         Next steps:\n",
        counted(rows, "row"),
        counted(copied.len(), "table")
    ));
    let check = match place {
        DatabasePlace::Config(file) => remedies::program(file),
        DatabasePlace::Location(location) => {
            let value = location.file().map_or("the connection string".to_owned(), |path| path.display().to_string());
            text.push_str(&format!("  set database in license-server.conf to {value}\n"));
            PROGRAM.name.to_owned()
        }
    };
    text.push_str(&format!(
        "  {check} check\n  systemctl start opterius-license-server opterius-license-server-deliver\n"
    ));
    text
}
