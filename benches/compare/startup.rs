//! The time from exec to the first response.

use crate::effort::Effort;
use crate::failure::Failure;
use crate::report::{Bound, Row, Target};
use crate::rounds::{self, Series};
use crate::servers::{Agents, Peers};

pub(crate) fn measure(effort: &Effort, agents: &Agents, peers: &Peers) -> Result<Vec<Row>, Failure> {
    let mut series = Series::new();
    for round in 0..effort.starts {
        for index in rounds::order(round) {
            let server = match index {
                0 => agents.start()?,
                1 => peers.start_nginx()?,
                _ => peers.start_go()?,
            };
            series.push(index, server.first_answer.as_secs_f64() * 1e3);
        }
    }
    Ok(vec![Row::of_trio("exec to first answer", "ms", series.medians()).targets([Target::Go(Bound::AtMost(0.8))])])
}
