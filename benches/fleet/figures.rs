//! The figures of a week: peaks beside the mean, who was restricted, and how long a recovery took.

use std::ops::Range;

use super::scenario::{DAY, END, Scenario, WARM_UP};
use super::simulation::Week;

/// The fewest requests that a mean interval must have, so that a peak is not chance.
const FEWEST: u32 = 50;

/// What a week comes to. Rates are in requests per second.
pub(crate) struct Figures {
    /// The mean rate of a fleet in which each Agent checks once a day.
    pub(crate) mean: f64,
    /// The length of the intervals in which a peak is measured, in seconds.
    pub(crate) interval: u32,
    /// The highest rate until the event began.
    pub(crate) peak_before: f64,
    /// The highest rate during the event; `None` without one.
    pub(crate) peak_during: Option<f64>,
    /// The highest rate from then until all were verified again; `None` if they were all the time.
    pub(crate) peak_recovery: Option<f64>,
    /// The highest rate after that.
    pub(crate) peak_after: f64,
    /// How long after the end of the event 99 % of all Agents were verified, in seconds.
    pub(crate) recovered_after: u32,
    /// The most Agents that were restricted at the same time.
    pub(crate) restricted: u32,
    /// How many of all Agents became restricted while the license server answered.
    pub(crate) restricted_without_need: u32,
    /// How long after the end of the event the last one was no longer restricted, in seconds.
    pub(crate) restricted_until: u32,
    /// All requests of the seven days.
    pub(crate) requests: u64,
    /// How many of them the license server could not take.
    pub(crate) refused: u64,
}

impl Figures {
    pub(crate) fn of(week: &Week, scenario: &Scenario) -> Self {
        let mean = f64::from(week.agents) / f64::from(DAY);
        let interval = interval(mean);
        let event = scenario.event();
        let ended = event.end;
        let seconds_with_more_than = |most: u32| {
            let last = week.unverified[ended as usize..END as usize].iter().rposition(|count| *count > most);
            last.map_or(0, |last| last as u32 + 1)
        };
        let (recovered_after, all_after) = (seconds_with_more_than(week.agents / 100), seconds_with_more_than(0));
        // The last request of the recovery is in the second in which its Agent is verified.
        let recovered = ended + if all_after > 0 { all_after + 1 } else { 0 };
        let last_restricted = week.restricted[ended as usize..END as usize].iter().rposition(|count| *count > 0);
        Self {
            mean,
            interval,
            peak_before: peak(week, WARM_UP..event.start, interval),
            peak_during: (!event.is_empty()).then(|| peak(week, event, interval)),
            peak_recovery: (all_after > 0).then(|| peak(week, ended..recovered, interval)),
            peak_after: peak(week, recovered..END, interval),
            recovered_after,
            restricted: week.restricted[WARM_UP as usize..END as usize].iter().copied().max().unwrap_or(0),
            restricted_without_need: week.restricted_without_need,
            restricted_until: last_restricted.map_or(0, |last| last as u32 + 1),
            requests: week.requests[WARM_UP as usize..].iter().map(|count| u64::from(*count)).sum(),
            refused: week.refused,
        }
    }
}

/// The shortest usual interval that has enough requests on average.
fn interval(mean: f64) -> u32 {
    [1, 10, 60, 600].into_iter().find(|length| mean * f64::from(*length) >= f64::from(FEWEST)).unwrap_or(600)
}

/// The highest rate in an interval; one that is cut off at the end counts with its own length, but not if it is too short.
fn peak(week: &Week, seconds: Range<u32>, interval: u32) -> f64 {
    let requests = &week.requests[seconds.start as usize..seconds.end as usize];
    let rate = |part: &[u32]| rate(part).filter(|_| part.len() >= interval.min(seconds.len() as u32) as usize);
    requests.chunks(interval as usize).filter_map(rate).fold(0.0, f64::max)
}

/// The mean rate of these seconds.
pub(crate) fn rate(part: &[u32]) -> Option<f64> {
    let sum: u64 = part.iter().map(|count| u64::from(*count)).sum();
    (!part.is_empty()).then(|| sum as f64 / part.len() as f64)
}
