//! CPU time per request, in user and in system mode.
//!
//! The scheduler measures the sum in nanoseconds. The split between the modes is sampled: at each tick, about a hundred
//! times per second, the kernel checks which mode a CPU is in. A server under load for some seconds has a thousand
//! samples or more; one at a low rate has some dozens, so that its split is imprecise.

use std::ops::AddAssign;
use std::time::Duration;

use crate::report::Row;

/// The CPU time of a process.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) sum: Duration,
    /// In hundredths of a second, the unit of /proc.
    pub(crate) user: u64,
    pub(crate) system: u64,
}

impl Cpu {
    pub(crate) fn since(self, earlier: Cpu) -> Cpu {
        Cpu {
            sum: self.sum.saturating_sub(earlier.sum),
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }

    /// The fraction in user mode; NaN without samples.
    fn user_share(self) -> f64 {
        self.user as f64 / (self.user + self.system) as f64
    }
}

impl AddAssign for Cpu {
    fn add_assign(&mut self, more: Cpu) {
        self.sum += more.sum;
        self.user += more.user;
        self.system += more.system;
    }
}

/// CPU time and answered requests of the three servers, summed over all rounds, because a single round has too few
/// samples for a median.
#[derive(Default)]
pub(crate) struct Account([(Cpu, u64); 3]);

impl Account {
    pub(crate) fn add(&mut self, server: usize, cpu: Cpu, requests: u64) {
        let (used, answered) = &mut self.0[server];
        *used += cpu;
        *answered += requests;
    }

    pub(crate) fn sum(&self, during: &str) -> Row {
        self.row(during, "CPU", |_| 1.0)
    }

    pub(crate) fn user(&self, during: &str) -> Row {
        self.row(during, "user CPU", Cpu::user_share)
    }

    pub(crate) fn system(&self, during: &str) -> Row {
        self.row(during, "system CPU", |cpu| 1.0 - cpu.user_share())
    }

    fn row(&self, during: &str, what: &str, share: impl Fn(Cpu) -> f64) -> Row {
        let per_request = self.0.map(|(cpu, requests)| cpu.sum.as_secs_f64() * 1e6 * share(cpu) / requests as f64);
        Row::of_trio(format!("{during}: {what} per request"), "µs", per_request)
    }
}
