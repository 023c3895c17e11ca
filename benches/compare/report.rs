//! The table: each figure beside its peers', their ratio, the target and whether it was reached.

use std::fmt;

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
}

pub(crate) struct Row {
    what: String,
    unit: &'static str,
    agent: f64,
    nginx: Option<f64>,
    go: Option<f64>,
    targets: Vec<Target>,
}

impl Row {
    /// A figure that all three have.
    pub(crate) fn of_trio(what: impl Into<String>, unit: &'static str, trio: [f64; 3]) -> Self {
        let [agent, nginx, go] = trio;
        let what = what.into();
        Row { what, unit, agent, nginx: Some(nginx), go: Some(go), targets: Vec::new() }
    }

    /// A figure of the Agent alone.
    pub(crate) fn of_agent(what: impl Into<String>, unit: &'static str, agent: f64) -> Self {
        let what = what.into();
        Row { what, unit, agent, nginx: None, go: None, targets: Vec::new() }
    }

    pub(crate) fn targets(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.targets = targets.into_iter().collect();
        self
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
        let ratio = |peer: f64| {
            if peer > 0.0 { format!("{:.2}", self.agent / peer) } else { String::new() }
        };
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

/// What the Agent's figure, or its ratio to a peer's, has to be.
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
/// The columns that hold words; the others hold numbers and are set to the right.
const WORDS: [bool; COLUMNS] = [true, true, false, false, false, false, false, true, true];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![TITLES.map(str::to_owned)];
        lines.extend(self.rows.iter().map(Row::cells));
        let widths = widths(&lines);
        writeln!(f, "{}; medians\n", self.effort)?;
        for line in &lines {
            writeln!(f, "{}", set(line, &widths).trim_end())?;
        }
        let verdicts = self.rows.iter().map(Row::verdict).filter(|verdict| !verdict.is_empty());
        let (count, reached) =
            verdicts.fold((0, 0), |(count, reached), verdict| (count + 1, reached + usize::from(verdict == "reached")));
        writeln!(f, "\n{reached} of {count} rows with a target reached it")
    }
}

fn widths(lines: &[[String; COLUMNS]]) -> [usize; COLUMNS] {
    let mut widths = [0; COLUMNS];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    widths
}

fn set(line: &[String; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let cells = line.iter().zip(widths).zip(WORDS);
    let cells = cells.map(
        |((cell, &width), is_words)| {
            if is_words { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        },
    );
    cells.collect::<Vec<_>>().join("  ")
}

/// Four figures or so, which is more than any of this is good for.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
