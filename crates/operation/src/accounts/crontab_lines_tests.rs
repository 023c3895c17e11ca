use super::*;
use opterius_host::request::fields::Fields;
use serde_json::json;

fn command(text: &str) -> CronCommand {
    CronCommand::parse(&Fields::from_json(Some(json!({"command": text}))).unwrap()).unwrap()
}

fn schedule(text: &str) -> Schedule {
    Schedule::parse("schedule", text).unwrap()
}

/// The crontab after `change`.
fn changed(before: &[u8], change: impl FnOnce(&mut CrontabLines)) -> Vec<u8> {
    let mut lines = CrontabLines::parse(before);
    assert_eq!(lines.to_bytes(), before);
    change(&mut lines);
    let after = lines.to_bytes();
    assert_eq!(CrontabLines::parse(&after).jobs().collect::<Vec<_>>(), lines.jobs().collect::<Vec<_>>());
    after
}

fn put(before: &[u8], id: u64, text: &str) -> Vec<u8> {
    changed(before, |lines| assert_eq!(lines.put(id, &schedule("0 4 * * *"), &command(text)), Ok(true)))
}

fn block(jobs: &str) -> String {
    format!("{}\n{jobs}{}\n", str::from_utf8(BEGIN).unwrap(), str::from_utf8(END).unwrap())
}

#[test]
fn jobs_are_added_toggled_and_removed() {
    let one = put(b"", 7, "date +%F");
    assert_eq!(one, block("# Opterius job 7\n0 4 * * * date +\\%F\n").as_bytes());
    let two = put(&one, 8, "true");
    assert_eq!(two, block("# Opterius job 7\n0 4 * * * date +\\%F\n# Opterius job 8\n0 4 * * * true\n").as_bytes());
    let off = changed(&two, |lines| assert_eq!(lines.enable(&command("date +%F"), false), 1));
    assert_eq!(off, block("# Opterius job 7\n#0 4 * * * date +\\%F\n# Opterius job 8\n0 4 * * * true\n").as_bytes());
    assert_eq!(changed(&off, |lines| assert_eq!(lines.enable(&command("date +%F"), false), 1)), off);
    assert_eq!(changed(&off, |lines| assert_eq!(lines.enable(&command("date +%F"), true), 1)), two);
    for other in ["date", "date +%F ", " date +%F", "date +%f", r"date +\%F"] {
        assert_eq!(changed(&two, |lines| assert_eq!(lines.enable(&command(other), false), 0)), two);
        assert_eq!(changed(&two, |lines| assert_eq!(lines.remove(&command(other)), 0)), two);
    }
    assert_eq!(changed(&two, |lines| assert_eq!(lines.remove(&command("true")), 1)), one);
    assert_eq!(changed(&one, |lines| assert_eq!(lines.remove(&command("date +%F")), 1)), b"");
}

#[test]
fn the_same_id_is_the_same_job_and_the_same_command_is_refused() {
    let one = put(b"", 7, "true");
    assert_eq!(
        changed(&one, |lines| assert_eq!(lines.put(7, &schedule("0 4 * * *"), &command("true")), Ok(false))),
        one
    );
    let later = changed(&one, |lines| assert_eq!(lines.put(7, &schedule("0 5 * * *"), &command("date")), Ok(true)));
    assert_eq!(later, block("# Opterius job 7\n0 5 * * * date\n").as_bytes());
    let refusal = Err(Refusal::SameCommand(schedule("0 4 * * *")));
    assert_eq!(changed(&one, |lines| assert_eq!(lines.put(8, &schedule("0 5 * * *"), &command("true")), refusal)), one);
    let mut lines = CrontabLines::parse(b"");
    for id in 1..=200 {
        assert_eq!(lines.put(id, &schedule("* * * * *"), &command(&format!("job {id}"))), Ok(true));
    }
    assert_eq!(lines.put(201, &schedule("* * * * *"), &command("one more")), Err(Refusal::TooMany));
    assert_eq!(lines.put(200, &schedule("0 * * * *"), &command("another")), Ok(true));
}

#[test]
fn lines_of_the_tenant_stay_byte_for_byte() {
    let begin = str::from_utf8(BEGIN).unwrap();
    let end = str::from_utf8(END).unwrap();
    let table: Vec<Vec<u8>> = vec![
        b"MAILTO=me@example.com\n# Mine\n*/5 * * * * true\n".to_vec(),
        b"PATH=/bin\r\n1 1 1 1 1 crlf\r\n".to_vec(),
        b"\xff\xfe\0\n\n\n".to_vec(),
        format!("{begin}\n").into_bytes(),
        format!("{begin}\n{begin}\nMAILTO=x\n").into_bytes(),
        b"# Opterius job 7\n".to_vec(),
        b"# Opterius job 7\nMAILTO=a b c d e f\n# Opterius job 8\n\n# Opterius job\n".to_vec(),
        b"# Opterius job 7\n# Opterius job 8\n".to_vec(),
        b"# Opterius job 007\n1 1 1 1 1 x\n# Opterius job +7\n1 1 1 1 1 x\n".to_vec(),
        b"1 1 1 1 1 date # Opterius job 7\n0 4 * * * new\n".to_vec(),
        b"# Opterius job 99999999999999999999999\n1 1 1 1 1 x\n".to_vec(),
    ];
    for foreign in table {
        let added = put(&foreign, 70, "new");
        assert_eq!(added, [&foreign[..], block("# Opterius job 70\n0 4 * * * new\n").as_bytes()].concat());
        assert_eq!(changed(&added, |lines| assert_eq!(lines.remove(&command("new")), 1)), foreign);
    }
    // A lone mark does not get the next job, or the line after it.
    let lone = format!("# Opterius job 1\n{end}\n0 4 * * * mine\n");
    let added = put(lone.as_bytes(), 70, "new");
    assert_eq!(added, [lone.as_bytes(), block("# Opterius job 70\n0 4 * * * new\n").as_bytes()].concat());
    let marks = b"# Opterius job 1\n# Opterius job 2\n0 4 * * * x\n0 4 * * * mine\n";
    let left = changed(marks, |lines| assert_eq!(lines.remove(&command("x")), 1));
    assert_eq!(left, b"0 4 * * * mine\n");
    let marked = format!("# Opterius job 1\n{}0 4 * * * mine\n", block("# Opterius job 2\n0 4 * * * x\n"));
    let left = changed(marked.as_bytes(), |lines| assert_eq!(lines.remove(&command("x")), 1));
    assert_eq!(left, format!("# Opterius job 1\n{}0 4 * * * mine\n", block("")).as_bytes());
    // A last line without an end, which cron ignores, gets one.
    let added = put(b"1 1 1 1 1 x", 70, "new");
    assert_eq!(changed(&added, |lines| assert_eq!(lines.remove(&command("new")), 1)), b"1 1 1 1 1 x\n");
    // A lone end mark, and lines of the tenant in our block.
    let ended = format!("A=1\n{end}\nB=2\n");
    assert_eq!(put(ended.as_bytes(), 7, "x"), format!("A=1\n# Opterius job 7\n0 4 * * * x\n{end}\nB=2\n").as_bytes());
    let mixed = block("A=1\n# Opterius job 7\n0 4 * * * x\nB=2\n");
    assert_eq!(
        changed(mixed.as_bytes(), |lines| assert_eq!(lines.remove(&command("x")), 1)),
        block("A=1\nB=2\n").as_bytes()
    );
}

#[test]
fn jobs_that_the_tenant_has_edited_are_still_found() {
    // With other line ends, blanks, moved out of the block, copied, commented out.
    let edited =
        b"# Opterius job 7\r\n0\t4  * * * x\r\nMINE=1\n# Opterius job 7\n#0 4 * * * x\n# Opterius job 9\n0 4 * * * x";
    let lines = CrontabLines::parse(edited);
    let found: Vec<(u64, bool, &str)> = lines.jobs().map(|job| (job.id, job.enabled, job.schedule.as_str())).collect();
    assert_eq!(found, [(7, true, "0 4 * * *"), (7, false, "0 4 * * *"), (9, true, "0 4 * * *")]);
    let off = changed(edited, |lines| assert_eq!(lines.enable(&command("x"), false), 3));
    assert_eq!(
        off,
        b"# Opterius job 7\n#0 4 * * * x\nMINE=1\n# Opterius job 7\n#0 4 * * * x\n# Opterius job 9\n#0 4 * * * x\n"
    );
    assert_eq!(changed(edited, |lines| assert_eq!(lines.remove(&command("x")), 3)), b"MINE=1\n");
    let one = changed(edited, |lines| assert_eq!(lines.put(7, &schedule("1 1 * * *"), &command("y")), Ok(true)));
    assert_eq!(one, b"# Opterius job 7\n1 1 * * * y\nMINE=1\n# Opterius job 9\n0 4 * * * x");
}
