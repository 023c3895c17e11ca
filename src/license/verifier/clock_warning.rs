//! The warning that this server's clock and the license server's differ: at most once a day.

use std::time::Duration;

use log::warn;

use opterius_base::clock::Now;
use opterius_license::clocks::Difference;
use opterius_license::schedule;

/// The difference that is worth a warning: beyond it, this server or the Panel rejects signed requests.
const NOTABLE: Duration = Duration::from_secs(300);

/// When the warning was last logged, on the boot clock.
#[derive(Debug, Default)]
pub(super) struct ClockWarning(Option<Duration>);

impl ClockWarning {
    /// Warns about clocks that differ, unless it did so within the last day.
    pub(super) fn note(&mut self, clocks: Option<Difference>, now: Now) {
        let Some(difference) = clocks.filter(|clocks| clocks.size() > NOTABLE) else { return };
        if self.0.is_none_or(|at| now.boot.saturating_sub(at) >= schedule::INTERVAL) {
            warn!("Check the time (timedatectl): {difference}");
            self.0 = Some(now.boot);
        }
    }
}
