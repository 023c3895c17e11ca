//! What a verdict's age is, and what time it is for the license, when no clock can be trusted alone.
//!
//! Three clocks take part: this server's wall clock, which anyone with root, NTP or a flat battery can set; its machine
//! time, which nothing sets, but which misses the time while the machine is off; and the license server's clock, of which
//! an answer carries one reading. A verdict keeps what all three showed when it arrived. A clock that was wrong then
//! drops out, because only its progress counts.

use std::fmt;
use std::time::Duration;

use crate::model::Record;
use opterius_base::clock::{Now, Timestamp};

/// How far two clocks can differ before one of them counts as wrong.
pub const TOLERANCE: Duration = Duration::from_secs(3600);

/// The time since the verdict arrived, in whole seconds.
///
/// In the boot of the arrival, machine time is complete, and a wall clock that says something else has been set. In a
/// later boot, the time is the larger of machine time and wall-clock time. The wall clock counts from what it showed at
/// arrival or from what the license server's clock showed, whichever says less: if it was wrong at arrival, it may have
/// been put right since, and the license server's clock may have been wrong.
pub fn age(record: &Record, boot_id: &str, now: Now) -> Duration {
    let by_machine = Duration::from_secs(record.uptime.used(boot_id, now).as_secs());
    let by_server = now.wall.since(record.verdict.at());
    let Some(arrival) = &record.arrival else { return by_machine.max(by_server) };
    let by_own = now.wall.since(arrival.wall);
    match () {
        // Two whole-second readings of the same age can differ by one: an end computed from either must not flicker.
        () if by_own.abs_diff(by_machine) <= Duration::from_secs(1) => by_own,
        () if is_in_boot_of_arrival(record, boot_id) => by_machine,
        () => by_machine.max(by_own.min(by_server)),
    }
}

/// Whether the wall clock shows a time more than [`TOLERANCE`] before both clocks at the verdict's arrival.
pub fn is_rolled_back(record: &Record, now: Now) -> bool {
    now.wall.plus(TOLERANCE) < earliest(record)
}

/// What the earlier of the two clocks showed when the verdict arrived.
pub fn earliest(record: &Record) -> Timestamp {
    let at = record.verdict.at();
    record.arrival.as_ref().map_or(at, |arrival| arrival.wall.min(at))
}

/// The time that decides whether the license has expired: this server's, unless it differs from the license server's by
/// more than [`TOLERANCE`].
pub fn deciding(record: &Record, boot_id: &str, now: Now) -> Timestamp {
    difference(record, boot_id, now).map_or(now.wall, |difference| difference.server)
}

/// The difference between the two servers' clocks, if it exceeds [`TOLERANCE`].
pub fn difference(record: &Record, boot_id: &str, now: Now) -> Option<Difference> {
    Some(compare(record, boot_id, now)).filter(|difference| difference.size() > TOLERANCE)
}

/// The two servers' clocks at `now`.
pub fn compare(record: &Record, boot_id: &str, now: Now) -> Difference {
    // The license server's clock has gone on since the verdict arrived. Machine time is not rounded up, so that nothing
    // expires early.
    let passed = if is_in_boot_of_arrival(record, boot_id) {
        record.uptime.used(boot_id, now)
    } else {
        age(record, boot_id, now)
    };
    Difference { own: now.wall, server: record.verdict.at().plus(passed) }
}

/// Whether the verdict arrived in this boot, so that machine time is complete.
pub fn is_in_boot_of_arrival(record: &Record, boot_id: &str) -> bool {
    record.arrival.as_ref().is_some_and(|arrival| arrival.boot_id == boot_id)
}

/// Two clocks at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What this server's clock shows.
    pub own: Timestamp,
    /// What the license server's clock shows.
    pub server: Timestamp,
}

impl Difference {
    /// How far the clocks are apart.
    pub fn size(self) -> Duration {
        self.own.since(self.server).max(self.server.since(self.own))
    }
}

impl fmt::Display for Difference {
    /// A sentence without its period: `this server's clock is 2 d 0 h ahead of the license server's (…)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.size().as_secs();
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        formatter.write_str("this server's clock is ")?;
        match (days, hours) {
            (0, 0) if minutes == 0 => write!(formatter, "{seconds} s"),
            (0, 0) => write!(formatter, "{minutes} min {} s", seconds % 60),
            (0, _) => write!(formatter, "{hours} h {minutes} min"),
            _ => write!(formatter, "{days} d {hours} h"),
        }?;
        let side = if self.own > self.server { "ahead of" } else { "behind" };
        write!(formatter, " {side} the license server's ({} here, {} there)", self.own, self.server)
    }
}

#[cfg(test)]
#[path = "clocks_tests.rs"]
mod tests;
