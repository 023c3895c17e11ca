//! `backup`: one copy of the database, or one of a series in a directory.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::commands::failure::Failure;
use crate::commands::listing::emit;
use crate::commands::progress::Progress;
use crate::commands::session::{Session, Target};
use crate::store;
use opterius_base::clock::Timestamp;

/// The beginning and the end of the names of a series, around the time.
const NAME: (&str, &str) = ("licenses-", ".db");

pub(super) fn once(target: &Target, file: &Path) -> Result<(), Failure> {
    write(target, file)?;
    emit(&format!(
        "Wrote {}. It does not contain the signing keys. Back them up too, in a private place: {}\n",
        file.display(),
        target.data_dir.keys_path().display()
    ))?;
    Ok(())
}

pub(super) fn repeatedly(target: &Target, directory: &Path, every: Duration, keep: u32) -> Result<(), Failure> {
    let now = Session::now();
    let backups = backups(directory)?;
    if let Some((at, latest)) = backups.last().filter(|(at, _)| *at <= now && now.since(*at) < every) {
        emit(&format!("{} is from {at}; no backup is due.\n", latest.display()))?;
        return Ok(());
    }
    let file = directory.join(format!("{}{}{}", NAME.0, compact(now), NAME.1));
    write(target, &file)?;
    emit(&format!("Wrote {}.\n", file.display()))?;
    let superfluous = backups.len().saturating_add(1).saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
    for (_, path) in backups.iter().take(superfluous) {
        fs::remove_file(path).map_err(|error| Failure::refused(format!("{}: {error}", path.display())))?;
        emit(&format!("Deleted {}.\n", path.display()))?;
    }
    Ok(())
}

fn write(target: &Target, file: &Path) -> Result<(), Failure> {
    let database = target.data_dir.database_file()?;
    let _lock = target.data_dir.locks().lock_use()?;
    target.data_dir.check_not_restoring()?;
    let size = database.metadata().map_or(0, |metadata| metadata.len());
    let _progress = Progress::start("Copying the database", Some((store::unfinished_backup(file), size)));
    store::backup(database, file).map_err(|error| match error {
        // The target file failed, not the database.
        store::Error::Failed(cause) => Failure::refused(format!("no backup was written: {cause}")),
        error => error.into(),
    })
}

/// The backups of the series with their times, oldest first.
fn backups(directory: &Path) -> Result<Vec<(Timestamp, PathBuf)>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::refused(format!(
            "no backup was written: {0}: {error}. Create it with: install -d -m 0700 {0}",
            directory.display()
        ))
    };
    let mode = fs::metadata(directory).map_err(failed)?.mode();
    if mode & 0o022 != 0 {
        return Err(Failure::refused(format!(
            "no backup was written: {0}: other users can write into this directory, so that they could have backups deleted \
             by files with their names. Run: chmod go-w {0}",
            directory.display()
        )));
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        found.extend(time(&name).map(|at| (at, path)));
    }
    found.sort();
    Ok(found)
}

/// The time in a name of the series.
fn time(name: &str) -> Option<Timestamp> {
    let text = name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?;
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let part = |text: &str, range| str::get(text, range).map(str::to_owned);
    let full = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(date, 0..4)?,
        part(date, 4..6)?,
        part(date, 6..8)?,
        part(time, 0..2)?,
        part(time, 2..4)?,
        part(time, 4..6)?
    );
    Timestamp::parse_expiry(&full).filter(|at| compact(*at) == text)
}

/// A time without separators: `20261128T163000Z`.
fn compact(at: Timestamp) -> String {
    at.to_string().replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_series_have_a_time() {
        let at = Timestamp::from_unix(1_795_883_400);
        assert_eq!(time(&format!("licenses-{}.db", compact(at))), Some(at));
        for name in
            ["licenses.db", "licenses-2026.db", "licenses-20261128T163000Z.db.bak", "licenses-20261328T163000Z.db"]
        {
            assert_eq!(time(name), None, "{name}");
        }
    }
}
