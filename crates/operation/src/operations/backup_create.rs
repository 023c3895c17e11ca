//! `/backup/create`: makes a backup of an account.

use serde_json::{Value, json};

use crate::backups::create;
use crate::perform::{Context, Perform};
use opterius_base::clock::{Clock, SystemClock};
use opterius_host::measure::units::megabytes;
use opterius_host::problem::Problem;
use opterius_host::request::backup_create::CreateBackup;

impl Perform for CreateBackup {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let begun = SystemClock.monotonic();
        let created = create::create(host, &self.username, self.kind, deadline)?;
        let manifest = &created.manifest;
        Ok(json!({
            "filename": created.name,
            "size_mb": megabytes(manifest.size),
            "duration": SystemClock.monotonic().saturating_duration_since(begun).as_secs(),
            "entries": manifest.entries,
            "skipped": manifest.skipped,
            "sha256": manifest.sha256,
            "warnings": created.warnings,
        }))
    }
}
