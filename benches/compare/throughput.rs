//! Requests per second at 1, 8 and 64 connections, kept alive and one per request.

use crate::effort::Effort;
use crate::failure::Failure;
use crate::report::{Bound, Row, Target};
use crate::rounds;
use crate::servers::Trio;
use crate::wrk::{self, Connections};

const COUNTS: [u32; 3] = [1, 8, 64];

pub(crate) fn measure(effort: &Effort, trio: &Trio) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for connections in [Connections::KeptAlive, Connections::OnePerRequest] {
        for count in COUNTS {
            let series = rounds::interleave(effort.rounds, trio, |server| {
                wrk::requests_per_second(server, count, connections, effort.seconds)
            })?;
            rows.push(row(count, connections, series.medians()));
        }
    }
    Ok(rows)
}

fn row(count: u32, connections: Connections, medians: [f64; 3]) -> Row {
    let (kind, targets) = match connections {
        Connections::KeptAlive if count == 8 => {
            ("keep-alive", vec![Target::Nginx(Bound::AtLeast(0.9)), Target::Go(Bound::AtLeast(1.5))])
        }
        Connections::KeptAlive => ("keep-alive", Vec::new()),
        Connections::OnePerRequest => {
            ("one request each", vec![Target::Nginx(Bound::AtLeast(1.0)), Target::Go(Bound::AtLeast(1.4))])
        }
    };
    let connections = if count == 1 { "connection" } else { "connections" };
    Row::of_trio(format!("{count} {connections}, {kind}"), "req/s", medians).targets(targets)
}
