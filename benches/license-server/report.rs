//! The report: the table and the targets.

use std::fmt;

use crate::figures::{Case, Figures, median};
use crate::{CONNECTIONS, SIZES};

/// Verifications per second at 64 connections, with either database, for either kind of request.
const MIN_RATE: f64 = 3000.0;
/// The ratio of the 99th percentiles with a hundred times the licenses.
const MAX_RATIO: f64 = 1.5;
/// The PSS of the server after a round, in MiB.
const MAX_PSS: f64 = 40.0;

pub(crate) struct Report {
    options: String,
    /// The sizes of the databases in bytes.
    sizes: [u64; 2],
    figures: Figures,
}

impl Report {
    pub(crate) fn new(options: String, sizes: [u64; 2], figures: Figures) -> Self {
        Report { options, sizes, figures }
    }

    fn cases(&self) -> impl Iterator<Item = (usize, String)> {
        let kinds = ["refresh", "new activation", "refusal"].into_iter();
        kinds.flat_map(|kind| CONNECTIONS.map(|count| format!("{kind}, {count} conn."))).enumerate()
    }

    fn write_case(&self, f: &mut fmt::Formatter<'_>, case: usize, name: &str) -> fmt::Result {
        for (size, licenses) in SIZES.into_iter().enumerate() {
            let median = |figure: fn(&Case) -> f64| self.figures.median(case, size, figure);
            let (rate, p50, p99) =
                (median(Case::rate), median(|case| case.percentile(50)), median(|case| case.percentile(99)));
            let (shared, cpu) = (median(|case| case.changes / case.commits), median(Case::cpu_per_thousand));
            write!(f, "{name:<24}{licenses:>10}{rate:>10.0}{p50:>9.2}{p99:>9.2}{shared:>9.1}{cpu:>9.3}")?;
            if size == 1 {
                write!(f, "{:>9.2}", self.figures.p99_ratio(case))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn write_environment(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (size, licenses) in SIZES.into_iter().enumerate() {
            let (rows, megabytes) = (licenses * 3, self.sizes[size] as f64 / 1e6);
            let (pss, log) = (median(&self.figures.pss[size]), median(&self.figures.log[size]));
            writeln!(
                f,
                "{licenses:>9} licenses, {rows} activations: {megabytes:.0} MB; after load: server {pss:.1} MiB PSS, log \
                 {log:.0} MB"
            )?;
        }
        writeln!(f, "Sequential synchronized writes of 4 KiB: {:.0}/s", median(&self.figures.disk))?;
        writeln!(
            f,
            "One commit per refresh, in process without HTTP and signatures, {} licenses: {:.0}/s",
            SIZES[1],
            median(&self.figures.single_commits)
        )
    }

    fn write_targets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = CONNECTIONS.len() - 1;
        let rates = [last, last + CONNECTIONS.len()].into_iter().flat_map(|case| [(case, 0), (case, 1)]);
        let rate = rates.map(|(case, size)| self.figures.median(case, size, Case::rate)).fold(f64::INFINITY, f64::min);
        let ratio = self.cases().map(|(case, _)| self.figures.p99_ratio(case)).fold(0.0, f64::max);
        let pss = self.figures.pss.iter().map(|values| median(values)).fold(0.0, f64::max);
        let mut line = |what: &str, bound: String, value: f64, is_reached: bool| {
            let verdict = if is_reached { "reached" } else { "MISSED" };
            writeln!(f, "{what:<52}{bound:<10}{value:>9.2}  {verdict}")
        };
        let at = format!("verifications/s at {} connections, minimum", CONNECTIONS[last]);
        line(&at, format!("≥ {MIN_RATE}"), rate, rate >= MIN_RATE)?;
        line("p99 with 1,000,000 ÷ p99 with 10,000, maximum", format!("≤ {MAX_RATIO}"), ratio, ratio <= MAX_RATIO)?;
        line("PSS of the server in MiB, maximum", format!("≤ {MAX_PSS}"), pss, pss <= MAX_PSS)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        writeln!(f, "{}; medians; {processors} processors, shared with the client; synchronous=FULL\n", self.options)?;
        let [rate, p50, p99] = ["per s", "p50 ms", "p99 ms"];
        let [shared, cpu, ratio] = ["/commit", "CPU s/k", "p99 1M÷"];
        writeln!(f, "{:<24}{:>10}{rate:>10}{p50:>9}{p99:>9}{shared:>9}{cpu:>9}{ratio:>9}", "verification", "licenses")?;
        for (case, name) in self.cases() {
            self.write_case(f, case, &name)?;
        }
        writeln!(
            f,
            "\n/commit: changes per commit; CPU s/k: server CPU time for 1,000 verifications; 1M÷: relative to 10k\n"
        )?;
        self.write_environment(f)?;
        writeln!(f)?;
        self.write_targets(f)
    }
}
