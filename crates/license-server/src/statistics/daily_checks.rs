//! Verifications of each day that are not stored yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::metrics::Outcome;
use crate::model::{Checks, Day};
use opterius_base::clock::Timestamp;

/// The numbers in memory. There is rarely more than one day, or two around midnight.
#[derive(Debug, Default)]
pub struct DailyChecks(Mutex<BTreeMap<Day, Checks>>);

impl DailyChecks {
    /// Counts an answer at this instant. One that says nothing about a license is no verification.
    pub fn count(&self, outcome: Outcome, at: Timestamp) {
        let checks = match outcome {
            Outcome::Granted => Checks { granted: 1, refused: 0 },
            Outcome::Denied(_) => Checks { granted: 0, refused: 1 },
            Outcome::Malformed | Outcome::RateLimited | Outcome::Unavailable => return,
        };
        self.lock().entry(Day::of(at)).or_default().add(checks);
    }

    /// Takes what was counted, in order to store it.
    pub(crate) fn take(&self) -> BTreeMap<Day, Checks> {
        std::mem::take(&mut *self.lock())
    }

    /// Puts back what could not be stored.
    pub(crate) fn put_back(&self, counted: BTreeMap<Day, Checks>) {
        let mut all = self.lock();
        for (day, checks) in counted {
            all.entry(day).or_default().add(checks);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Day, Checks>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_verdicts_count_on_their_own_day() {
        let (daily_checks, last) = (DailyChecks::default(), Timestamp::from_unix(86_399));
        let first = Timestamp::from_unix(86_400);
        for (outcome, at) in [
            (Outcome::Granted, last),
            (Outcome::Denied("expired"), last),
            (Outcome::Malformed, last),
            (Outcome::RateLimited, first),
            (Outcome::Unavailable, first),
            (Outcome::Granted, first),
            (Outcome::Granted, first),
        ] {
            daily_checks.count(outcome, at);
        }
        let expected = [
            (Day::from_number(0), Checks { granted: 1, refused: 1 }),
            (Day::from_number(1), Checks { granted: 2, refused: 0 }),
        ];
        let counted = daily_checks.take();
        assert_eq!(counted.clone().into_iter().collect::<Vec<_>>(), expected);
        assert!(daily_checks.take().is_empty());
        daily_checks.count(Outcome::Granted, first);
        daily_checks.put_back(counted);
        let all: u64 = daily_checks.take().into_values().map(Checks::all).sum();
        assert_eq!(all, 5, "what could not be stored is not lost");
    }
}
