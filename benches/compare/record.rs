//! A run as JSON: every figure by a name that ends in its unit, with the commit, the date and the machine, so that a later
//! run can be held against it.

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

/// What does not depend on the figures, taken before anything is measured.
#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    /// None outside of a repository.
    commit: Option<String>,
    /// Whether the sources were those of the commit.
    is_as_committed: bool,
    date: String,
    cpus: usize,
    kernel: String,
    /// How busy the machine was before: three averages of tasks that want a CPU.
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

/// One row of the report. Whoever has no such figure, or one that is no number, is left out.
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
    pub(crate) fn begins(effort: &Effort) -> Result<Self, Failure> {
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

/// What git says of these sources.
fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(words).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a record can be written there, while nothing is lost by finding out that it cannot.
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
        serde_json::from_slice(&text).at("understand", path)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).during("write the figures as JSON")?;
        fs::write(path, text + "\n").at("write", path)
    }

    /// The rows that this earlier run has, too, each with what has become of it: 2.00 is twice as much as it was.
    pub(crate) fn beside(&self, report: &Report) -> String {
        let mut lines = vec![TITLES.map(str::to_owned)];
        lines.extend(report.rows().iter().filter_map(|row| Some(self.figures.get(&row.name())?.beside(row))));
        let Run { commit, date, .. } = &self.run;
        let commit = commit.as_deref().unwrap_or("no commit");
        let (shared, all) = (lines.len() - 1, report.rows().len());
        format!(
            "Beside the run of {date} ({commit}), which has {shared} of {all} rows\n\n{}",
            table::set(&lines, KINDS)
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

    fn beside(&self, row: &Row) -> [String; 7] {
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
