//! Requests per second and CPU time per request, with 1, 8 and 64 connections, keep-alive and one request each.

use crate::cpu::Account;
use crate::effort::Effort;
use crate::failure::Failure;
use crate::report::{Bound, Row, Target};
use crate::rounds::{self, Series};
use crate::servers::Trio;
use crate::wrk::{self, Connections};

const COUNTS: [u32; 3] = [1, 8, 64];

/// The number of connections that has targets.
const TYPICAL_COUNT: u32 = 8;

/// Target for the Agent's user CPU time per request, in µs.
const USER_TIME_TARGET: f64 = 2.0;

pub(crate) fn measure(effort: &Effort, trio: &Trio) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for connections in [Connections::KeptAlive, Connections::OnePerRequest] {
        for count in COUNTS {
            rows.extend(measure_one(effort, trio, count, connections)?);
        }
    }
    Ok(rows)
}

fn measure_one(effort: &Effort, trio: &Trio, count: u32, connections: Connections) -> Result<[Row; 3], Failure> {
    let (mut rates, mut account) = (Series::new(), Account::default());
    for round in 0..effort.rounds {
        for server in rounds::order(round) {
            let before = trio[server].process.usage()?;
            let answered = wrk::run(&trio[server], count, connections, effort.seconds)?;
            account.add(server, trio[server].process.usage()?.since(before).cpu, answered.requests);
            rates.push(server, answered.per_second);
        }
    }
    Ok(rows(count, connections, rates.medians(), &account))
}

fn rows(count: u32, connections: Connections, rates: [f64; 3], account: &Account) -> [Row; 3] {
    let (kind, targets) = match connections {
        Connections::KeptAlive if count == TYPICAL_COUNT => {
            ("keep-alive", vec![Target::Nginx(Bound::AtLeast(0.9)), Target::Go(Bound::AtLeast(1.5))])
        }
        Connections::KeptAlive => ("keep-alive", Vec::new()),
        Connections::OnePerRequest => {
            ("one request each", vec![Target::Nginx(Bound::AtLeast(1.0)), Target::Go(Bound::AtLeast(1.4))])
        }
    };
    let user_target = (count == TYPICAL_COUNT).then_some(Target::Agent(Bound::AtMost(USER_TIME_TARGET)));
    let noun = if count == 1 { "connection" } else { "connections" };
    let what = format!("{count} {noun}, {kind}");
    let (user, system) = (account.user(&what).targets(user_target), account.system(&what));
    [Row::of_trio(what, "req/s", rates).targets(targets), user, system]
}
