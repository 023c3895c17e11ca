//! When the next check runs: the first at once, a requested one after the minimum spacing, the others by the schedule. A
//! wall clock that was set, or a machine that was paused, requests one.

use std::time::Duration;

use opterius_base::clock::{Now, Timestamp};
use opterius_license::clocks::TOLERANCE;
use opterius_license::outcome::Outcome;
use opterius_license::schedule::{self, Finished, Pending};
use opterius_license::standing::Standing;

/// The timer of the next check.
#[derive(Debug)]
pub(super) struct CheckTimer {
    pending: Pending,
    /// How many checks in a row have produced no verdict.
    failures: u32,
    /// When the latest check started.
    started: Option<Now>,
    is_requested: bool,
    /// This host's second of the day, see [`schedule::offset`].
    offset: Duration,
}

impl CheckTimer {
    /// A timer whose first check is due at once.
    pub(super) fn new(identity: &str, now: Now) -> Self {
        Self {
            pending: Pending { since: now, wait: Duration::ZERO, expires_at: None },
            failures: 0,
            started: None,
            is_requested: false,
            offset: schedule::offset(identity),
        }
    }

    /// The time until the next check: zero when it is due, `None` when none is scheduled for lack of a license key.
    pub(super) fn due_in(&self, has_key: bool, now: Now) -> Option<Duration> {
        let Some(started) = self.started else { return Some(Duration::ZERO) };
        if self.is_requested {
            return Some(schedule::SPACING.saturating_sub(now.boot.saturating_sub(started.boot)));
        }
        has_key.then(|| schedule::due_in(&self.pending, now))
    }

    /// Requests a check as soon as the minimum spacing allows.
    pub(super) fn request_check(&mut self) {
        self.is_requested = true;
    }

    /// Requests a check if the wall clock and the boot clock have moved apart since the latest one.
    pub(super) fn note_clocks(&mut self, now: Now) {
        let Some(started) = self.started else { return };
        let expected = started.wall.plus(now.boot.saturating_sub(started.boot));
        self.is_requested |= now.wall.since(expected).max(expected.since(now.wall)) > TOLERANCE;
    }

    /// Resets the backoff: the failures belong to the previous license key.
    pub(super) fn reset_failures(&mut self) {
        self.failures = 0;
    }

    /// Notes the start of a check.
    pub(super) fn begin(&mut self, now: Now) {
        self.is_requested = false;
        self.started = Some(now);
    }

    /// Counts consecutive failures.
    pub(super) fn count_outcome(&mut self, outcome: &Outcome) {
        self.failures = match outcome {
            Outcome::Inconclusive(_) => self.failures.saturating_add(1),
            Outcome::Granted { .. } | Outcome::Denied { .. } => 0,
        };
    }

    /// Schedules the check after the one just counted; `random` is a number from 0 to 1.
    pub(super) fn schedule_next(
        &mut self,
        outcome: &Outcome,
        standing: &Standing,
        expires_at: Option<Timestamp>,
        random: f64,
        now: Now,
    ) {
        let finished = Finished { outcome, standing, expires_at, failures: self.failures, offset: self.offset, random };
        self.pending = Pending { since: now, wait: schedule::wait(&finished, now), expires_at };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_license::model::Terms;
    use opterius_license::outcome::{Failure, FailureClass};
    use opterius_license::reason::UNREACHABLE;

    fn at(boot: u64) -> Now {
        Now { wall: Timestamp::from_unix(0), boot: Duration::from_secs(boot) }
    }

    fn failed() -> Outcome {
        Outcome::Inconclusive(Failure::new(FailureClass::Network, "the name is not known"))
    }

    #[test]
    fn the_first_check_is_due_at_once_with_or_without_a_key() {
        let mut timer = CheckTimer::new("server", at(7));
        assert_eq!(
            (timer.due_in(true, at(7)), timer.due_in(false, at(7))),
            (Some(Duration::ZERO), Some(Duration::ZERO))
        );
        timer.begin(at(7));
        assert_eq!(timer.due_in(false, at(100_000)), None);
    }

    #[test]
    fn a_requested_check_keeps_the_minimum_spacing() {
        let mut timer = CheckTimer::new("server", at(0));
        timer.request_check();
        assert_eq!(timer.due_in(true, at(0)), Some(Duration::ZERO), "no check came before");
        timer.begin(at(10));
        timer.request_check();
        for has_key in [true, false] {
            assert_eq!(timer.due_in(has_key, at(12)), Some(Duration::from_secs(3)));
            assert_eq!(timer.due_in(has_key, at(15)), Some(Duration::ZERO));
        }
        timer.begin(at(15));
        assert_eq!(timer.due_in(false, at(15)), None, "the request was handled");
    }

    #[test]
    fn clocks_that_move_apart_request_a_check() {
        let wall = |seconds| Timestamp::from_unix(1_772_323_200 + seconds);
        let begun = Now { wall: wall(0), boot: Duration::from_secs(100) };
        for (passed, moved, is_due) in [
            (86_400_i64, 0, false),
            (60, 3600, false),
            (60, 3601, true),
            (60, -3600, false),
            (60, -3601, true),
            (0, 9999, true),
        ] {
            let mut timer = CheckTimer::new("server", begun);
            timer.begin(begun);
            let now =
                Now { wall: wall(passed + moved), boot: begun.boot + Duration::from_secs(passed.cast_unsigned()) };
            timer.note_clocks(now);
            assert_eq!(timer.due_in(false, now).is_some(), is_due, "{passed} {moved}");
            timer.begin(now);
            timer.note_clocks(now);
            assert_eq!(timer.due_in(false, now), None, "once");
        }
    }

    #[test]
    fn waits_grow_with_each_failure_until_a_verdict_or_another_key() {
        let unreachable = Standing::Restricted { reason: UNREACHABLE.to_owned(), message: String::new() };
        let waits = |timer: &mut CheckTimer| {
            timer.begin(at(0));
            timer.count_outcome(&failed());
            timer.schedule_next(&failed(), &unreachable, None, 1.0, at(0));
            timer.due_in(true, at(0)).unwrap().as_secs()
        };
        let mut timer = CheckTimer::new("", at(0));
        assert_eq!([waits(&mut timer), waits(&mut timer), waits(&mut timer)], [5, 10, 20]);
        timer.reset_failures();
        assert_eq!([waits(&mut timer), waits(&mut timer)], [5, 10]);

        let granted = Outcome::Granted { terms: Terms::default(), message: String::new() };
        timer.count_outcome(&granted);
        timer.schedule_next(&granted, &Standing::Active, None, 1.0, at(0));
        assert_eq!(timer.due_in(true, at(0)), Some(schedule::offset("")), "midnight, so its own second of the day");
        assert_eq!(waits(&mut timer), 5);
    }
}
