//! `restore`: replaces the database with a backup.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use crate::commands::failure::Failure;
use crate::commands::listing::emit;
use crate::commands::progress::Progress;
use crate::commands::session::{Session, Target};
use crate::commands::{history, operator, terminal};
use crate::installation::Stage;
use crate::restoration::{self, Restored};
use opterius_base::dates::counted;
use opterius_base::text::duration;

pub(super) fn restore(target: &Target, backup: &Path, undecided: Duration, confirmed: bool) -> Result<(), Failure> {
    let database = target.data_dir.database_file()?;
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
    let mut text = format!("Restored {}", counted(restored.licenses, "license"));
    if let Some(at) = restored.backup_at {
        text.push_str(&format!(", as of {at}"));
    }
    text.push_str(". All users are signed out, and no earlier link sets a password.\n");
    if !undecided.is_zero() {
        text.push_str(&format!(
            "For {}, unknown license keys are answered with 503 instead of a refusal, because they may have been issued since.\n",
            duration(undecided)
        ));
    }
    if restored.has_gap {
        text.push_str(
            "No previous database can be read: new licenses and users skip a million numbers, and what was used up since \
             the backup is not known.\n",
        );
    }
    if restored.void_codes > 0 {
        text.push_str(&format!(
            "{} void: used since the backup, or perhaps so. The users can make new ones in the dashboard.\n",
            are(restored.void_codes, "recovery code")
        ));
    }
    if restored.withheld_deliveries > 0 {
        text.push_str(&format!(
            "{} withheld from webhooks, because it is not known which were delivered since the backup. To send those of one: \
             {program} webhook replay ID\n",
            are(restored.withheld_deliveries, "event")
        ));
    }
    if let Some(kept) = &restored.kept {
        text.push_str(&format!("The previous database is kept as {}.\n", kept.display()));
    }
    text.push_str(
        "What was changed since the backup is undone, including revoked tokens and disabled users: check them.\n",
    );
    if !restored.undone.is_empty() {
        text.push_str(&format!(
            "\nUndone since the backup, the latest about users, tokens and webhooks:\n{}",
            history::table_of(&restored.undone)
        ));
    }
    text.push_str(&format!("\nNext steps:\n  {program} check\n  systemctl start opterius-license-server\n"));
    text
}

/// The count with its noun and verb.
fn are(count: u32, noun: &str) -> String {
    format!("{} {}", counted(u64::from(count), noun), if count == 1 { "is" } else { "are" })
}
