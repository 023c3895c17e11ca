//! `restore`: replaces the database with a backup.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use crate::commands::failure::Failure;
use crate::commands::listing::emit;
use crate::commands::progress::Progress;
use crate::commands::session::{Session, Target};
use crate::commands::{operator, terminal};
use crate::installation::Stage;
use crate::restoration::{self, Restored};
use opterius_base::text::duration;

pub(super) fn restore(target: &Target, backup: &Path, undecided: Duration, confirmed: bool) -> Result<(), Failure> {
    let database = target.data_dir.database_path();
    if !confirmed {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::refused(
                "stdin is not a terminal. To replace the database without confirmation, add --yes",
            ));
        }
        let question = format!(
            "{} is replaced with {}: all changes since that backup are undone. Type yes to replace it: ",
            database.display(),
            backup.display()
        );
        if terminal::ask(&question)? != "yes" {
            return Err(Failure::refused("nothing was replaced"));
        }
    }
    let size = backup.metadata().map_or(0, |metadata| metadata.len());
    let progress = Progress::start("Restoring", Some((target.data_dir.restore_path(Stage::Unfinished), size)));
    let restored = restoration::restore(&target.data_dir, backup, &operator::actor(), undecided, Session::now())?;
    drop(progress);
    emit(&summary(&restored, undecided, &target.program()))?;
    Ok(())
}

fn summary(restored: &Restored, undecided: Duration, program: &str) -> String {
    let mut text = format!("Restored {} licenses", restored.licenses);
    if let Some(at) = restored.backup_at {
        text.push_str(&format!(", as of {at}"));
    }
    text.push_str(". All users are signed out.\n");
    if !undecided.is_zero() {
        text.push_str(&format!(
            "For {}, unknown license keys are answered with 503 instead of a refusal, because they may have been issued since.\n",
            duration(undecided)
        ));
    }
    if restored.has_gap {
        text.push_str(
            "The numbers of the previous database cannot be read; new licenses and users skip a million numbers.\n",
        );
    }
    if let Some(kept) = &restored.kept {
        text.push_str(&format!("The previous database is kept as {}.\n", kept.display()));
    }
    text.push_str(&format!(
        "What was changed since the backup is undone, including revoked tokens and disabled users: check them.\n\n\
         Next steps:\n  {program} check\n  systemctl start opterius-license-server\n"
    ));
    text
}
