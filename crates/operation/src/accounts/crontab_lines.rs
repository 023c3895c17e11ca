//! The Panel's jobs in a crontab, among lines of the tenant, who can edit all of them.
//!
//! A job is two lines: our mark with its id, and the job itself, behind `#` while it is disabled. New jobs go into a block
//! between two more marks. Only these lines ever change; a mark that the tenant has separated from its job, or any other line,
//! is the tenant's own and stays where it is, byte for byte.

use opterius_host::request::cron::{CronCommand, Schedule};

/// Most jobs of the Panel in one crontab.
pub const MAX_JOBS: usize = 200;

const BEGIN: &[u8] = b"# Jobs of the Opterius Panel, which changes the lines up to the end mark";
const END: &[u8] = b"# End of the jobs of the Opterius Panel";
const MARK: &str = "# Opterius job ";

/// The schedule of a job has this many fields.
const FIELDS: usize = 5;

/// A crontab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrontabLines(Vec<Item>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    /// The lines with their ends. The last line of a file may have none.
    bytes: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Begin,
    Job(Job),
    End,
    /// The tenant's.
    Other,
}

/// A job of the Panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The Panel's id.
    pub id: u64,
    /// Whether cron runs it.
    pub enabled: bool,
    /// When it runs.
    pub schedule: Schedule,
    /// The command as it is written in the crontab.
    pub command: Vec<u8>,
}

/// Why a job cannot be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another job, with this schedule, has the same command. The Panel toggles and deletes jobs by their command.
    SameCommand(Schedule),
    /// There are [`MAX_JOBS`] already.
    TooMany,
}

impl CrontabLines {
    /// Parses a crontab. Any bytes are one.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut items = Vec::new();
        // Marks whose job has not come yet.
        let mut marks: Vec<&[u8]> = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = without_end(line);
            let last = marks.last().and_then(|mark| id(without_end(mark)));
            if id(text).is_some() {
                marks.push(line);
            } else if let Some(job) = last.and_then(|id| Job::parse(id, text)) {
                // Any further marks are part of the job: the line after it must not become theirs once it is removed.
                marks.push(line);
                items.push(Item { bytes: std::mem::take(&mut marks).concat(), kind: Kind::Job(job) });
            } else {
                items.extend(std::mem::take(&mut marks).into_iter().map(|mark| Item::line(mark, Kind::Other)));
                items.push(match text {
                    text if text == BEGIN => Item::line(line, Kind::Begin),
                    text if text == END => Item::line(line, Kind::End),
                    _ => Item::line(line, Kind::Other),
                });
            }
        }
        items.extend(marks.into_iter().map(|mark| Item::line(mark, Kind::Other)));
        Self(items)
    }

    /// The content of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|item| item.bytes.iter().copied()).collect()
    }

    /// The Panel's jobs, in order.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.0.iter().filter_map(Item::job)
    }

    /// Adds a job, or changes the one with this id. Returns whether anything changed.
    ///
    /// # Errors
    /// Another job has the same command, or there are too many.
    pub fn put(&mut self, id: u64, schedule: &Schedule, command: &CronCommand) -> Result<bool, Refusal> {
        let job = Job { id, enabled: true, schedule: schedule.clone(), command: command.in_crontab().into_bytes() };
        let same = self.jobs().find(|other| other.command == job.command && other.id != id);
        if let Some(other) = same {
            return Err(Refusal::SameCommand(other.schedule.clone()));
        }
        let (mut has_it, mut is_changed) = (false, false);
        self.0.retain_mut(|item| {
            if item.job().is_none_or(|found| found.id != id) {
                return true;
            }
            if !has_it && item.job() != Some(&job) {
                *item = Item::of(job.clone());
                is_changed = true;
            }
            // A tenant may have copied it.
            is_changed |= has_it;
            !std::mem::replace(&mut has_it, true)
        });
        if has_it {
            return Ok(is_changed);
        }
        if self.jobs().count() >= MAX_JOBS {
            return Err(Refusal::TooMany);
        }
        self.insert(Item::of(job));
        Ok(true)
    }

    /// Inserts a job at the end of our last block, or in a new block at the end.
    fn insert(&mut self, job: Item) {
        let end = self.0.iter().rposition(|item| item.kind == Kind::End);
        let before = |end: usize| end.checked_sub(1).and_then(|before| self.0.get(before));
        if let Some(end) = end.filter(|end| !before(*end).is_some_and(Item::is_lone_mark)) {
            self.0.insert(end, job);
            return;
        }
        if let Some(last) = self.0.last_mut().filter(|last| !last.bytes.ends_with(b"\n")) {
            last.bytes.push(b'\n');
        }
        let mark = |text: &[u8], kind| Item { bytes: [text, b"\n"].concat(), kind };
        self.0.extend([mark(BEGIN, Kind::Begin), job, mark(END, Kind::End)]);
    }

    /// Enables or disables the jobs with exactly this command. Returns how many there are.
    pub fn enable(&mut self, command: &CronCommand, enabled: bool) -> usize {
        let command = command.in_crontab();
        let mut found = 0_usize;
        for item in &mut self.0 {
            let Some(job) = item.job().filter(|job| job.command == command.as_bytes()).cloned() else { continue };
            found = found.saturating_add(1);
            if job.enabled != enabled {
                *item = Item::of(Job { enabled, ..job });
            }
        }
        found
    }

    /// Removes the jobs with exactly this command, and a block that is empty then. Returns how many jobs there were.
    pub fn remove(&mut self, command: &CronCommand) -> usize {
        let command = command.in_crontab();
        let before = self.0.len();
        self.0.retain(|item| item.job().is_none_or(|job| job.command != command.as_bytes()));
        let removed = before.saturating_sub(self.0.len());
        let mut kept: Vec<Item> = Vec::with_capacity(self.0.len());
        let mut items = std::mem::take(&mut self.0).into_iter().peekable();
        while let Some(item) = items.next() {
            let is_empty_block = item.kind == Kind::End && kept.last().is_some_and(|last| last.kind == Kind::Begin);
            // The block keeps a lone mark of the tenant's apart from the tenant's next line.
            let separates = items.peek().is_some() && kept.iter().rev().nth(1).is_some_and(Item::is_lone_mark);
            if removed > 0 && is_empty_block && !separates {
                kept.pop();
            } else {
                kept.push(item);
            }
        }
        self.0 = kept;
        removed
    }
}

impl Item {
    fn of(job: Job) -> Self {
        let Job { id, enabled, schedule, command } = &job;
        let mut bytes = format!("{MARK}{id}\n{}{} ", if *enabled { "" } else { "#" }, schedule.as_str()).into_bytes();
        bytes.extend(command);
        bytes.push(b'\n');
        Self { bytes, kind: Kind::Job(job) }
    }

    fn line(bytes: &[u8], kind: Kind) -> Self {
        Self { bytes: bytes.to_vec(), kind }
    }

    /// Whether this is a mark without its job. A job that came after it would become its own.
    fn is_lone_mark(&self) -> bool {
        self.kind == Kind::Other && id(without_end(&self.bytes)).is_some()
    }

    fn job(&self) -> Option<&Job> {
        match &self.kind {
            Kind::Job(job) => Some(job),
            Kind::Begin | Kind::End | Kind::Other => None,
        }
    }
}

impl Job {
    /// Parses the line below a mark.
    fn parse(id: u64, line: &[u8]) -> Option<Self> {
        let (enabled, line) = line.strip_prefix(b"#").map_or((true, line), |rest| (false, rest));
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let mut rest = line;
        for number in 0..FIELDS {
            if number > 0 {
                rest = rest.get(rest.iter().take_while(|byte| is_blank(byte)).count()..)?;
            }
            rest = rest.get(rest.iter().position(is_blank)?..)?;
        }
        let schedule = line.get(..line.len().saturating_sub(rest.len()))?;
        let schedule = Schedule::parse("schedule", str::from_utf8(schedule).ok()?).ok()?;
        // The command begins after one blank; cron ignores further ones, but they are part of what the Panel sent.
        let command = rest.get(1..).filter(|command| !command.is_empty())?;
        Some(Self { id, enabled, schedule, command: command.to_vec() })
    }
}

/// The id in a mark.
fn id(line: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(line).ok()?.strip_prefix(MARK)?;
    let is_canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| is_canonical)
}

/// A line without its end, which an editor may have made `\r\n`.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
#[path = "crontab_lines_tests.rs"]
mod tests;
