//! At a fixed 1,000 requests per second over 8 connections: median and 99th percentile latency, and CPU time per request.

use std::time::Duration;

use crate::cpu::Account;
use crate::effort::Effort;
use crate::failure::Failure;
use crate::pacer;
use crate::report::{Bound, Row, Target};
use crate::rounds::{self, Series};
use crate::servers::Trio;

pub(crate) fn measure(effort: &Effort, trio: &Trio) -> Result<Vec<Row>, Failure> {
    let mut middle = Series::new();
    let mut slow = Series::new();
    let mut account = Account::default();
    for round in 0..effort.rounds {
        for server in rounds::order(round) {
            let before = trio[server].process.usage()?;
            let mut latencies = pacer::run(&trio[server], effort.steady_seconds)?;
            account.add(server, trio[server].process.usage()?.since(before).cpu, latencies.len() as u64);
            latencies.sort();
            middle.push(server, percentile(&latencies, 50));
            slow.push(server, percentile(&latencies, 99));
        }
    }
    Ok(vec![
        Row::of_trio("1,000 req/s: p50", "µs", middle.medians()),
        Row::of_trio("1,000 req/s: p99", "µs", slow.medians())
            .targets([Target::Nginx(Bound::AtMost(1.2)), Target::Go(Bound::AtMost(1.0))]),
        account.sum("1,000 req/s").targets([Target::Nginx(Bound::AtMost(0.7)), Target::Go(Bound::AtMost(0.25))]),
        account.user("1,000 req/s"),
        account.system("1,000 req/s"),
    ])
}

/// A percentile of sorted latencies, in microseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(f64::NAN, |latency| micros(*latency))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
