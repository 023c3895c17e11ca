//! A crontab: whatever a tenant writes there, among it our marks, no change of the Panel's jobs changes another line, and a job
//! that was added is found.

use opterius_host::request::cron::{CronCommand, Schedule};
use opterius_host::request::fields::Fields;
use opterius_operation::accounts::crontab_lines::{CrontabLines, MAX_JOBS};
use serde_json::json;

/// The input is a byte that chooses the operation on a job of the tenant's choice, then the crontab.
pub fn check(data: &[u8]) {
    let (choice, crontab) = data.split_first().map_or((0, data), |(choice, rest)| (*choice, rest));
    let original = CrontabLines::parse(crontab);
    assert_eq!(original.to_bytes(), crontab);

    // A job that is not there is added, toggled and removed; then everything is as before.
    let new = command("new 100%");
    let schedule = Schedule::parse("schedule", "0 4 * * 1-5").expect("it is valid");
    let id = 1 + (1..u64::MAX).find(|id| original.jobs().all(|job| job.id != id + 1)).expect("one is free");
    let is_there = original.jobs().any(|job| job.command == new.in_crontab().as_bytes());
    let mut lines = original.clone();
    if lines.put(id, &schedule, &new).is_ok() {
        assert_eq!(lines.jobs().count(), original.jobs().count() + 1);
        let written = lines.to_bytes();
        let is_a_line = |line: &[u8]| line == b"0 4 * * 1-5 new 100\\%";
        assert_eq!(written.split(|byte| *byte == b'\n').filter(|line| is_a_line(line)).count(), 1 + others(crontab));
        keeps_the_tenants_lines(crontab, &written, 3);
        assert_eq!(lines.enable(&new, false), 1);
        keeps_the_tenants_lines(crontab, &lines.to_bytes(), 3);
        assert_eq!(CrontabLines::parse(&lines.to_bytes()).enable(&new, true), 1);
        assert_eq!(lines.remove(&new), 1);
        let left = lines.to_bytes();
        let is_whole = crontab.is_empty() || crontab.ends_with(b"\n");
        assert!(left == crontab || (!is_whole && left == [crontab, b"\n"].concat()), "{left:?}");
    } else {
        assert!(is_there || original.jobs().count() >= MAX_JOBS);
    }
    // The jobs that the tenant's lines are taken for.
    let Some(job) = original.jobs().nth(usize::from(choice) / 2) else { return };
    let Some(chosen) = typed(&job.command) else { return };
    let count = original.jobs().filter(|other| other.command == job.command).count();
    let mut lines = original.clone();
    assert_eq!(if choice % 2 == 0 { lines.remove(&chosen) } else { lines.enable(&chosen, !job.enabled) }, count);
    let again = CrontabLines::parse(&lines.to_bytes());
    assert!(again.jobs().eq(lines.jobs()));
    // Each job with all the marks in front of it.
    keeps_the_tenants_lines(&lines.to_bytes(), crontab, original.jobs().count() + marks(crontab));
}

/// The lines that look like the new job and are the tenant's.
fn others(crontab: &[u8]) -> usize {
    crontab.split(|byte| *byte == b'\n').filter(|line| *line == b"0 4 * * 1-5 new 100\\%").count()
}

fn marks(crontab: &[u8]) -> usize {
    let begins = [&b"# Opterius job "[..], b"# Jobs of the Opterius", b"# End of the jobs"];
    let is_mark = |line: &&[u8]| begins.iter().any(|begin| line.starts_with(begin));
    crontab.split(|byte| *byte == b'\n').filter(is_mark).count()
}

/// Checks that all lines of `before` are in `after`, in the same order, and at most `most` others, except for jobs that changed.
fn keeps_the_tenants_lines(before: &[u8], after: &[u8], most: usize) {
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let all = bytes.split_inclusive(|byte| *byte == b'\n');
        all.map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec()).collect()
    };
    let (before, after) = (lines(before), lines(after));
    let is_job = |line: &[u8]| {
        let line = line.strip_prefix(b"#").unwrap_or(line);
        line.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'*') || line.starts_with(b" Opterius job ")
    };
    let mut rest = after.iter();
    for line in before.iter().filter(|line| !is_job(line)) {
        assert!(rest.any(|other| other == line), "{line:?} is gone");
    }
    assert!(after.len() <= before.len() + most + 2, "{} lines became {}", before.len(), after.len());
}

fn command(text: &str) -> CronCommand {
    let fields = Fields::from_json(Some(json!({"command": text}))).expect("it is an object");
    CronCommand::parse(&fields).expect("it is valid")
}

/// The command that the Panel would send for this text in a crontab, if it is one that it can send.
fn typed(written: &[u8]) -> Option<CronCommand> {
    let text = str::from_utf8(written).ok()?;
    let mut typed = String::new();
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        match (sign, signs.peek()) {
            ('\\', Some('%' | '\\')) => typed.extend(signs.next()),
            _ => typed.push(sign),
        }
    }
    let fields = Fields::from_json(Some(json!({"command": typed}))).ok()?;
    CronCommand::parse(&fields).ok().filter(|command| command.in_crontab() == text)
}
