//! CPU time per request: the server's own, in user mode, and the kernel's on its behalf.
//!
//! The scheduler knows the sum to the nanosecond. How it divides is known from samples: at each of its ticks, some hundred
//! a second, the kernel looks at which of the two a CPU is doing. A server under load for some seconds has a thousand
//! samples and more; one that is asked now and then has some dozens, and its two parts are rough.

use std::ops::AddAssign;
use std::time::Duration;

use crate::report::Row;

/// What a process has used.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) sum: Duration,
    /// In hundredths of a second, as /proc counts them.
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

    /// The part of the sum in user mode; not a number when there was no sample.
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

/// What the three servers have used for the requests that they have answered meanwhile, over all rounds: single ones have
/// too few samples for a median.
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
