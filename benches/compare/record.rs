//! A run as JSON: all results under names that end with their unit, with commit, date and machine, for comparison with
//! later runs.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::effort::Effort;
use crate::failure::{During, Failure};
use crate::report::{Report, Row};
use crate::table::{self, Column, number, ratio};

/// Facts about the run, recorded before the measurements.
#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    /// None outside of a Git repository.
    commit: Option<String>,
    /// Whether there were no uncommitted changes.
    is_as_committed: bool,
    date: String,
    cpus: usize,
    kernel: String,
    /// The machine's load averages before the run.
    load_average: String,
    rounds: u32,
    wrk_seconds: u32,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    run: Run,
    figures: BTreeMap<String, Figure>,
}

/// One row of the report. Missing and non-finite values are omitted.
#[derive(Serialize, Deserialize)]
struct Figure {
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nginx: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    go: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    targets: Vec<Verdict>,
}

#[derive(Serialize, Deserialize)]
struct Verdict {
    target: String,
    reached: bool,
}

impl Run {
    pub(crate) fn start(effort: &Effort) -> Result<Self, Failure> {
        let uname = rustix::system::uname();
        let load = fs::read_to_string("/proc/loadavg").at("read", "/proc/loadavg")?;
        Ok(Run {
            commit: git(&["rev-parse", "HEAD"]),
            is_as_committed: git(&["status", "--porcelain"]).is_some_and(|changes| changes.is_empty()),
            date: OffsetDateTime::now_utc().format(&Rfc3339).during("write the date")?,
            cpus: std::thread::available_parallelism().during("count the CPUs")?.get(),
            kernel: uname.release().to_string_lossy().into_owned(),
            load_average: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
            rounds: effort.rounds,
            wrk_seconds: effort.seconds,
        })
    }
}

/// The output of a git command in this repository.
fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(words).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Checks that the record can be written, before the measurements.
pub(crate) fn check_writable(path: &Path) -> Result<(), Failure> {
    OpenOptions::new().create(true).append(true).open(path).map(drop).at("write", path)
}

const TITLES: [&str; 7] = ["measure", "unit", "Agent then", "now", "×then", "nginx ×then", "Go ×then"];
const KINDS: [Column; 7] = {
    use Column::{Numbers, Words};
    [Words, Words, Numbers, Numbers, Numbers, Numbers, Numbers]
};

impl Record {
    pub(crate) fn new(run: Run, report: &Report) -> Result<Self, Failure> {
        let mut figures = BTreeMap::new();
        for row in report.rows() {
            if figures.insert(row.name(), Figure::of(row)).is_some() {
                return Err(Failure::new(format!("two rows have the name {}", row.name())));
            }
        }
        Ok(Record { run, figures })
    }

    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read(path).at("read", path)?;
        serde_json::from_slice(&text).at("parse", path)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).during("write the figures as JSON")?;
        fs::write(path, text + "\n").at("write", path)
    }

    /// A table of the rows that this earlier run also has, with the ratio of new to old: 2.00 is twice the old value.
    pub(crate) fn compare(&self, report: &Report) -> String {
        let mut lines = vec![TITLES.map(str::to_owned)];
        lines.extend(report.rows().iter().filter_map(|row| Some(self.figures.get(&row.name())?.compare(row))));
        let Run { commit, date, .. } = &self.run;
        let commit = commit.as_deref().unwrap_or("no commit");
        let (shared, all) = (lines.len() - 1, report.rows().len());
        format!(
            "Compared with the run of {date} ({commit}), which has {shared} of {all} rows\n\n{}",
            table::format_table(&lines, KINDS)
        )
    }
}

impl Figure {
    fn of(row: &Row) -> Self {
        let targets = row.verdicts().map(|(target, reached)| Verdict { target, reached });
        let finite = |figure: Option<f64>| figure.filter(|value| value.is_finite());
        Figure {
            agent: finite(Some(row.agent)),
            nginx: finite(row.nginx),
            go: finite(row.go),
            targets: targets.collect(),
        }
    }

    fn compare(&self, row: &Row) -> [String; 7] {
        let change = |then: Option<f64>, now: Option<f64>| match (then, now) {
            (Some(then), Some(now)) => ratio(now, then),
            _ => String::new(),
        };
        [
            row.what.clone(),
            row.unit.to_owned(),
            self.agent.map(number).unwrap_or_default(),
            number(row.agent),
            change(self.agent, Some(row.agent)),
            change(self.nginx, row.nginx),
            change(self.go, row.go),
        ]
    }
}
