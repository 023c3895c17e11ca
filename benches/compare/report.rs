//! The table of results: values of the three servers, ratios, targets, and whether they were reached.

use std::fmt;

use crate::table::{self, Column, number, ratio};

pub(crate) struct Report {
    effort: String,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(effort: String) -> Self {
        Report { effort, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }
}

pub(crate) struct Row {
    pub(crate) what: String,
    /// The JSON name, for rows whose label varies between runs.
    name: Option<&'static str>,
    pub(crate) unit: &'static str,
    pub(crate) agent: f64,
    pub(crate) nginx: Option<f64>,
    pub(crate) go: Option<f64>,
    targets: Vec<Target>,
}

impl Row {
    /// A row with values for all three servers.
    pub(crate) fn of_trio(what: impl Into<String>, unit: &'static str, trio: [f64; 3]) -> Self {
        let [agent, nginx, go] = trio;
        Row { nginx: Some(nginx), go: Some(go), ..Row::of_agent(what, unit, agent) }
    }

    /// A row with a value for the Agent only.
    pub(crate) fn of_agent(what: impl Into<String>, unit: &'static str, agent: f64) -> Self {
        let what = what.into();
        Row { what, name: None, unit, agent, nginx: None, go: None, targets: Vec::new() }
    }

    pub(crate) fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    pub(crate) fn targets(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.targets = targets.into_iter().collect();
        self
    }

    /// The JSON name: the label in lowercase, followed by the unit.
    pub(crate) fn name(&self) -> String {
        let unit = match self.unit {
            "µs" => "us",
            "%" => "percent",
            "req/s" => "requests_per_second",
            other => other,
        };
        let text = format!("{} {unit}", self.name.unwrap_or(&self.what)).to_lowercase().replace(',', "");
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("_")
    }

    /// The targets, and whether they were reached.
    pub(crate) fn verdicts(&self) -> impl Iterator<Item = (String, bool)> {
        self.targets.iter().map(|target| (target.to_string(), self.is_reached(target)))
    }

    fn is_reached(&self, target: &Target) -> bool {
        match target {
            Target::Agent(bound) => bound.holds(self.agent),
            Target::Nginx(bound) => self.nginx.is_some_and(|peer| bound.holds(self.agent / peer)),
            Target::Go(bound) => self.go.is_some_and(|peer| bound.holds(self.agent / peer)),
        }
    }

    fn verdict(&self) -> &'static str {
        if self.targets.is_empty() {
            ""
        } else if self.targets.iter().all(|target| self.is_reached(target)) {
            "reached"
        } else {
            "MISSED"
        }
    }

    fn cells(&self) -> [String; COLUMNS] {
        let ratio = |peer: f64| ratio(self.agent, peer);
        let figure = |peer: Option<f64>| peer.map(number).unwrap_or_default();
        let targets: Vec<String> = self.targets.iter().map(Target::to_string).collect();
        [
            self.what.clone(),
            self.unit.to_owned(),
            number(self.agent),
            figure(self.nginx),
            figure(self.go),
            self.nginx.map(ratio).unwrap_or_default(),
            self.go.map(ratio).unwrap_or_default(),
            targets.join(", "),
            self.verdict().to_owned(),
        ]
    }
}

/// A bound on the Agent's value, or on its ratio to another server's.
pub(crate) enum Target {
    Agent(Bound),
    Nginx(Bound),
    Go(Bound),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Agent(bound) => write!(f, "{bound}"),
            Target::Nginx(bound) => write!(f, "{bound}× nginx"),
            Target::Go(bound) => write!(f, "{bound}× Go"),
        }
    }
}

pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    fn holds(&self, value: f64) -> bool {
        match self {
            Bound::AtLeast(bound) => value >= *bound,
            Bound::AtMost(bound) => value <= *bound,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::AtLeast(bound) => write!(f, "≥ {bound}"),
            Bound::AtMost(bound) => write!(f, "≤ {bound}"),
        }
    }
}

const COLUMNS: usize = 9;
const TITLES: [&str; COLUMNS] = ["measure", "unit", "Agent", "nginx", "Go", "×nginx", "×Go", "target", ""];
const KINDS: [Column; COLUMNS] = {
    use Column::{Numbers, Words};
    [Words, Words, Numbers, Numbers, Numbers, Numbers, Numbers, Words, Words]
};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![TITLES.map(str::to_owned)];
        lines.extend(self.rows.iter().map(Row::cells));
        writeln!(f, "{}; medians, except CPU time per request, which is over all rounds\n", self.effort)?;
        f.write_str(&table::format_table(&lines, KINDS))?;
        let verdicts = self.rows.iter().map(Row::verdict).filter(|verdict| !verdict.is_empty());
        let (count, reached) =
            verdicts.fold((0, 0), |(count, reached), verdict| (count + 1, reached + usize::from(verdict == "reached")));
        writeln!(f, "\n{reached} of {count} rows with a target reached it")
    }
}
