//! Activity of idle servers: all three are idle during the same seconds.

use std::thread;
use std::time::Duration;

use crate::effort::Effort;
use crate::failure::Failure;
use crate::process::Usage;
use crate::report::{Bound, Row, Target};
use crate::servers::{Server, Trio};

/// Time for activity of the last request to end.
const SETTLE: Duration = Duration::from_secs(1);

pub(crate) fn measure(effort: &Effort, trio: &Trio) -> Result<Vec<Row>, Failure> {
    thread::sleep(SETTLE);
    let before = usage_of_each(trio)?;
    thread::sleep(Duration::from_secs(effort.idle_seconds.into()));
    let after = usage_of_each(trio)?;
    let used = [0, 1, 2].map(|server| after[server].since(before[server]));
    let seconds = effort.idle_seconds;
    Ok(vec![
        Row::of_trio(format!("context switches in {seconds} idle s"), "", used.map(|usage| usage.switches as f64))
            .targets([Target::Agent(Bound::AtMost(0.0))]),
        Row::of_trio(format!("CPU in {seconds} idle s"), "µs", used.map(|usage| usage.cpu.sum.as_secs_f64() * 1e6)),
    ])
}

fn usage_of_each(trio: &Trio) -> Result<Vec<Usage>, Failure> {
    trio.iter().map(|server: &Server| server.process.usage()).collect()
}
