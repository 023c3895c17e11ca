//! Keeps the latest check-in of each license, and whether it has too many servers, up to date for lists.

use crate::shared::Shared;
use crate::store::Error;
use opterius_base::clock::Timestamp;

/// Licenses that one read transaction looks at, and that one change stores, so that none takes long.
const BATCH: i64 = 5000;
const CHANGES: usize = 200;

/// Brings all licenses up to date, and returns how many were not.
///
/// # Errors
/// A store error; changes up to then persist.
pub(crate) fn update(shared: &Shared, now: Timestamp) -> Result<usize, Error> {
    let mut updated: usize = 0;
    let mut from = Some(0);
    while let Some(start) = from {
        let outdated = shared.readers.read(|transaction| transaction.outdated_usage(start, BATCH, now))?;
        from = outdated.next;
        for usages in outdated.found.chunks(CHANGES) {
            let usages = usages.to_vec();
            updated = updated.saturating_add(usages.len());
            shared
                .writer
                .change(move |transaction| usages.iter().try_for_each(|usage| transaction.put_usage(usage)))?;
        }
    }
    Ok(updated)
}
