//! A fleet in virtual time: one pending check for each Agent, in a calendar with a list for each second. The waits are those
//! of the Agent's own schedule. An Agent is 16 bytes, so ten million fit into less than 200 MiB.

use std::time::Duration;

use opterius_base::clock::{Now, Timestamp};
use opterius_license::model::Terms;
use opterius_license::outcome::{Failure, FailureClass, Outcome};
use opterius_license::reason::UNREACHABLE;
use opterius_license::schedule::{self, Finished};
use opterius_license::standing::{GRACE, Standing};

use super::random::Random;
use super::scenario::{END, Scenario, Server, WARM_UP};

/// Midnight, 2026-03-01.
const START: i64 = 1_772_323_200;
/// The end of a list.
const NONE: u32 = u32::MAX;
/// What the license server's 503 says when it cannot take more requests (`crates/http/src/lane.rs`).
const BUSY: u64 = 5;

/// What happened to the fleet, second by second.
pub(crate) struct Week {
    /// How many Agents there are.
    pub(crate) agents: u32,
    /// Requests in each second.
    pub(crate) requests: Vec<u32>,
    /// How many Agents are not verified in each second: they run on an earlier verdict, or are restricted.
    pub(crate) unverified: Vec<u32>,
    /// How many Agents are restricted in each second.
    pub(crate) restricted: Vec<u32>,
    /// How many Agents became restricted while the license server answered.
    pub(crate) restricted_without_need: u32,
    /// Requests that the license server could not take.
    pub(crate) refused: u64,
}

/// Runs `agents` Agents through `scenario`, with a license server that verifies `capacity` requests per second.
pub(crate) fn run(scenario: &Scenario, agents: u32, capacity: u32, seed: u64) -> Week {
    let mut fleet = Fleet::new(agents, seed);
    let replies = Replies::new();
    let mut week = Week::new(agents);
    let (mut unverified, mut restricted) = (Changes::new(), Changes::new());
    for second in 0..END {
        if scenario.restarts_at(second) {
            fleet.restart(second, &mut unverified);
        }
        let mut verified = 0;
        let mut next = std::mem::replace(&mut fleet.calendar[second as usize], NONE);
        let server = scenario.server(second);
        while next != NONE {
            let number = next;
            next = fleet.agents[number as usize].next;
            week.requests[second as usize] += 1;
            let reply = match server {
                Server::Down => &replies.silence,
                Server::TooMany(wait) => replies.busy(wait),
                Server::Up if verified < capacity => {
                    verified += 1;
                    &replies.granted
                }
                Server::Up => {
                    week.refused += 1;
                    replies.busy(BUSY)
                }
            };
            let agent = &mut fleet.agents[number as usize];
            if matches!(reply, Outcome::Granted { .. }) {
                if let Some(since) = agent.restricted_since(second) {
                    restricted.interval(since, second);
                    week.restricted_without_need += u32::from(scenario.server(since) == Server::Up);
                }
                unverified.change(second, -i64::from(!agent.is_verified));
                (agent.granted, agent.failures, agent.is_verified) = (second, 0, true);
            } else {
                agent.fail(second, &mut unverified);
            }
            let mut due = second + agent.wait(second, reply, &replies.restricted, fleet.random.fraction());
            // Nothing that happens in between concerns an Agent whose requests a server that is down does not answer.
            while scenario.server(due) == Server::Down {
                week.requests[due as usize] += 1;
                agent.fail(due, &mut unverified);
                due += agent.wait(due, &replies.silence, &replies.restricted, fleet.random.fraction());
            }
            fleet.push(number, due);
        }
    }
    for agent in fleet.agents {
        if let Some(since) = agent.restricted_since(END) {
            restricted.interval(since, END);
        }
    }
    (week.unverified, week.restricted) = (unverified.sums(), restricted.sums());
    week
}

/// An Agent, as far as its schedule depends on it.
struct Agent {
    /// The next Agent that checks in the same second.
    next: u32,
    /// When it had its last grant; in its first second, it has none and is not restricted for it.
    granted: u32,
    /// Its own second of the day, see [`schedule::offset`].
    offset: u32,
    failures: u16,
    is_verified: bool,
}

impl Agent {
    /// When it became restricted, if it is at `second`.
    fn restricted_since(&self, second: u32) -> Option<u32> {
        let since = self.granted + seconds(GRACE);
        (!self.is_verified && since < second).then_some(since)
    }

    /// A check at `second` gave no verdict.
    fn fail(&mut self, second: u32, unverified: &mut Changes) {
        if self.is_verified {
            unverified.change(second, 1);
        }
        (self.failures, self.is_verified) = (self.failures.saturating_add(1), false);
    }

    /// The wait after a check, in seconds.
    fn wait(&self, second: u32, outcome: &Outcome, restricted: &Standing, random: f64) -> u32 {
        let until = at(self.granted).plus(GRACE);
        let grace;
        let standing = if self.is_verified {
            &Standing::Active
        } else if self.restricted_since(second).is_some() {
            restricted
        } else {
            grace = Standing::Grace { until };
            &grace
        };
        let (failures, offset) = (u32::from(self.failures), Duration::from_secs(u64::from(self.offset)));
        let finished = Finished { outcome, standing, expires_at: None, failures, offset, random };
        let now = Now { wall: at(second), boot: Duration::from_secs(u64::from(second)) };
        let wait = schedule::wait(&finished, now);
        seconds(wait) + u32::from(wait.subsec_nanos() > 0)
    }
}

fn at(second: u32) -> Timestamp {
    Timestamp::from_unix(START + i64::from(second))
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// All Agents, and the calendar of their next checks.
struct Fleet {
    agents: Vec<Agent>,
    /// The first Agent that checks in each second.
    calendar: Vec<u32>,
    random: Random,
}

impl Fleet {
    /// Agents that start at random within the first day.
    fn new(count: u32, seed: u64) -> Self {
        let new = |number: u32| Agent {
            next: NONE,
            granted: 0,
            offset: seconds(schedule::offset(&format!("{seed:x} {number:x}"))),
            failures: 0,
            is_verified: false,
        };
        let agents = (0..count).map(new).collect();
        let mut fleet = Self { agents, calendar: vec![NONE; END as usize], random: Random::new(seed) };
        for number in 0..count {
            let start = fleet.random.below(WARM_UP);
            // It counts as verified until it starts.
            (fleet.agents[number as usize].granted, fleet.agents[number as usize].is_verified) = (start, true);
            fleet.push(number, start);
        }
        fleet
    }

    fn push(&mut self, number: u32, second: u32) {
        if let Some(first) = self.calendar.get_mut(second as usize) {
            self.agents[number as usize].next = std::mem::replace(first, number);
        }
    }

    /// Every Agent starts again and checks at once; it does not yet know whether its verdict still holds.
    fn restart(&mut self, second: u32, unverified: &mut Changes) {
        self.calendar[second as usize..].fill(NONE);
        for number in 0..self.agents.len() as u32 {
            let agent = &mut self.agents[number as usize];
            unverified.change(second, i64::from(agent.is_verified));
            (agent.failures, agent.is_verified) = (0, false);
            self.push(number, second);
        }
    }
}

/// What the license server answers.
struct Replies {
    granted: Outcome,
    silence: Outcome,
    /// 429 and 503 with their `Retry-After`.
    busy: Vec<(u64, Outcome)>,
    restricted: Standing,
}

impl Replies {
    fn new() -> Self {
        let failed = |class, wait| {
            let retry_after = Option::<u64>::map(wait, Duration::from_secs);
            Outcome::Inconclusive(Failure { retry_after, ..Failure::new(class, "") })
        };
        Self {
            granted: Outcome::Granted { terms: Terms::default(), message: String::new() },
            silence: failed(FailureClass::Network, None),
            busy: [BUSY, 60].map(|wait| (wait, failed(FailureClass::Http, Some(wait)))).into(),
            restricted: Standing::Restricted { reason: UNREACHABLE.to_owned(), message: String::new() },
        }
    }

    fn busy(&self, wait: u64) -> &Outcome {
        self.busy.iter().find(|(asked, _)| *asked == wait).map_or(&self.silence, |(_, outcome)| outcome)
    }
}

impl Week {
    fn new(agents: u32) -> Self {
        Self {
            agents,
            requests: vec![0; END as usize],
            unverified: Vec::new(),
            restricted: Vec::new(),
            restricted_without_need: 0,
            refused: 0,
        }
    }
}

/// How a number of Agents changes from second to second.
struct Changes(Vec<i32>);

impl Changes {
    fn new() -> Self {
        Self(vec![0; END as usize + 1])
    }

    fn change(&mut self, second: u32, by: i64) {
        self.0[second as usize] += by as i32;
    }

    fn interval(&mut self, from: u32, until: u32) {
        self.change(from, 1);
        self.change(until, -1);
    }

    fn sums(self) -> Vec<u32> {
        let mut sum = 0_i64;
        let next = |change| {
            sum += i64::from(change);
            sum as u32
        };
        self.0.into_iter().map(next).collect()
    }
}
