//! `/backup/list`: lists the backups of all accounts, the newest first.

use std::cmp::Reverse;

use serde_json::{Value, json};

use crate::backups::directory;
use crate::backups::manifest::Manifest;
use crate::perform::{Context, Perform};
use opterius_host::measure::units::megabytes;
use opterius_host::problem::Problem;
use opterius_host::request::backup_list::ListBackups;

impl Perform for ListBackups {
    fn perform(&self, Context { host, .. }: Context<'_>) -> Result<Value, Problem> {
        let mut backups = Vec::new();
        for directory in directory::all(host)? {
            for name in directory.names()? {
                let manifest = Manifest::read(&directory, &name);
                let size = directory.archive(&name).metadata().map_or(0, |found| found.len());
                backups.push((name, size, manifest));
            }
        }
        backups.sort_by_key(|(name, ..)| Reverse((name.instant().to_owned(), name.clone())));
        let shown = backups.iter().map(|(name, size, manifest)| {
            json!({
                "filename": name,
                "username": name.username(),
                "type": name.kind(),
                "size_mb": megabytes(*size),
                "created_at": manifest.as_ref().ok().map(|manifest| manifest.created_at),
                "usable": manifest.as_ref().is_ok_and(|manifest| manifest.size == *size),
            })
        });
        Ok(json!({"backups": shown.collect::<Vec<_>>()}))
    }
}
