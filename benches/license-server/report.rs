//! The table, and which targets were reached.

use std::fmt;

use crate::figures::{Case, Figures, median};
use crate::{CONNECTIONS, SIZES};

/// At 64 connections, with either database, for either question.
const LEAST_RATE: f64 = 3000.0;
/// A hundred times the licenses may cost so much at the slow end.
const MOST_RATIO: f64 = 1.5;
/// Of the server after a whole round.
const MOST_PSS: f64 = 40.0;

pub(crate) struct Report {
    options: String,
    /// Of the databases, in bytes.
    sizes: [u64; 2],
    figures: Figures,
}

impl Report {
    pub(crate) fn new(options: String, sizes: [u64; 2], figures: Figures) -> Self {
        Report { options, sizes, figures }
    }

    fn cases(&self) -> impl Iterator<Item = (usize, String)> {
        let kinds = ["refresh", "new activation"].into_iter();
        kinds.flat_map(|kind| CONNECTIONS.map(|count| format!("{kind}, {count} conn."))).enumerate()
    }

    fn write_case(&self, f: &mut fmt::Formatter<'_>, case: usize, name: &str) -> fmt::Result {
        for (size, licenses) in SIZES.into_iter().enumerate() {
            let median = |figure: fn(&Case) -> f64| self.figures.median(case, size, figure);
            let (rate, p50, p99) =
                (median(Case::rate), median(|case| case.percentile(50)), median(|case| case.percentile(99)));
            let (shared, cpu) = (median(|case| case.changes / case.commits), median(Case::cpu_of_a_thousand));
            write!(f, "{name:<24}{licenses:>10}{rate:>10.0}{p50:>9.2}{p99:>9.2}{shared:>9.1}{cpu:>9.3}")?;
            if size == 1 {
                write!(f, "{:>9.2}", self.figures.p99_ratio(case))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn write_surroundings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (size, licenses) in SIZES.into_iter().enumerate() {
            let (rows, megabytes) = (licenses * 3, self.sizes[size] as f64 / 1e6);
            let (pss, log) = (median(&self.figures.pss[size]), median(&self.figures.log[size]));
            writeln!(
                f,
                "{licenses:>9} licenses, {rows} activations: {megabytes:.0} MB; after load: server {pss:.1} MiB PSS, log \
                 {log:.0} MB"
            )?;
        }
        writeln!(f, "4 KiB written and synchronised, one after the other: {:.0}/s", median(&self.figures.disk))?;
        writeln!(
            f,
            "A commit for each refresh, in process, no HTTP, no signature, {} licenses: {:.0}/s",
            SIZES[1],
            median(&self.figures.single_commits)
        )
    }

    fn write_targets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = CONNECTIONS.len() - 1;
        let rates = [most, most + CONNECTIONS.len()].into_iter().flat_map(|case| [(case, 0), (case, 1)]);
        let rate = rates.map(|(case, size)| self.figures.median(case, size, Case::rate)).fold(f64::INFINITY, f64::min);
        let ratio = self.cases().map(|(case, _)| self.figures.p99_ratio(case)).fold(0.0, f64::max);
        let pss = self.figures.pss.iter().map(|values| median(values)).fold(0.0, f64::max);
        let mut line = |what: &str, bound: String, value: f64, is_reached: bool| {
            let verdict = if is_reached { "reached" } else { "MISSED" };
            writeln!(f, "{what:<52}{bound:<10}{value:>9.2}  {verdict}")
        };
        let at = format!("verifications/s at {} connections, the least", CONNECTIONS[most]);
        line(&at, format!("≥ {LEAST_RATE}"), rate, rate >= LEAST_RATE)?;
        line("p99 with 1,000,000 ÷ p99 with 10,000, the most", format!("≤ {MOST_RATIO}"), ratio, ratio <= MOST_RATIO)?;
        line("PSS of the server in MiB, the most", format!("≤ {MOST_PSS}"), pss, pss <= MOST_PSS)
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
            "\n/commit: changes that share one; CPU s/k: the server's processor time for 1,000; 1M÷: by 10k\n"
        )?;
        self.write_surroundings(f)?;
        writeln!(f)?;
        self.write_targets(f)
    }
}
