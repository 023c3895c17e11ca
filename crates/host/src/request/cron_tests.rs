use super::*;
use serde_json::json;

fn schedule(text: &str) -> Result<String, String> {
    Schedule::parse("schedule", text).map(|schedule| schedule.0).map_err(|problem| problem.message())
}

fn command(text: &str) -> Result<CronCommand, Problem> {
    CronCommand::parse(&Fields::from_json(Some(json!({"command": text}))).unwrap())
}

#[test]
fn schedules_have_five_valid_fields() {
    let every_minute: Vec<String> = (0..60).map(|minute| minute.to_string()).collect();
    let list = format!("{} * * * *", every_minute.join(","));
    for text in [
        "* * * * *",
        "0 0 1 1 0",
        "59 23 31 12 7",
        "*/5 * * * *",
        "*/59 */23 */31 */12 */7",
        "0-30/7,45 1-3 * jan-mar mon,TUE",
        "05 04 * Dec sUn",
        "* * * * sun-sat",
        "*,1 * * * 5-7",
        &list,
    ] {
        assert_eq!(schedule(text).as_deref(), Ok(text));
    }
    assert_eq!(schedule(" \t0   4 *\t* 1 ").as_deref(), Ok("0 4 * * 1"));
    for text in [
        "",
        "*",
        "* * * *",
        "* * * * * *",
        "@daily",
        "@reboot",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 0 *",
        "* * * 13 *",
        "* * * * 8",
        "* * * * mond",
        "* * * mon *",
        "* jan * * *",
        "5-1 * * * *",
        "* * * * fri-mon",
        "*/0 * * * *",
        "*/60 * * * *",
        "1/5 * * * *",
        "-1 * * * *",
        "1- * * * *",
        "1,,2 * * * *",
        ", * * * *",
        "+1 * * * *",
        "001 * * * *",
        "1-2-3 * * * *",
        "1-5/0 * * * *",
        "*/ * * * *",
        "** * * * *",
        "* * * * *\n",
        "*\n* * * *",
        "٣ * * * *",
        "~ * * * *",
        "%5 * * * *",
        "* * * * jan",
        "*/5/5 * * * *",
    ] {
        assert!(schedule(text).is_err(), "{text:?}");
    }
    assert!(schedule(&format!("{list}{}", " ".repeat(256))).is_err());
    let sentence = schedule("61 * * * *").unwrap_err();
    assert!(sentence.contains("minute") && sentence.contains("0 to 59"), "{sentence}");
}

/// What cron makes of a command in a crontab, observed with Debian's cron 3.0pl1-162; none if it ends early.
fn as_cron_reads(text: &str) -> Option<String> {
    let mut read = String::new();
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        match (sign, signs.peek()) {
            ('%', _) => return None,
            ('\\', Some('%' | '\\')) => read.extend(signs.next()),
            _ => read.push(sign),
        }
    }
    Some(read)
}

#[test]
fn cron_reads_the_command_that_was_typed() {
    let table = [
        ("date +%F", r"date +\%F"),
        (r"date +\%F", r"date +\\\%F"),
        (r"printf 'a\nb'", r"printf 'a\nb'"),
        (r"a\\b\", r"a\\\b\"),
        ("%", r"\%"),
        ("echo ä\t# x", "echo ä\t# x"),
    ];
    for (typed, written) in table {
        assert_eq!(command(typed).unwrap().in_crontab(), written);
    }
    // All short texts of the special signs.
    let signs = ['\\', '%', 'n'];
    for number in 0..3_usize.pow(7) {
        let text: String = (0..7).map(|place| signs[number / 3_usize.pow(place) % 3]).collect();
        assert_eq!(as_cron_reads(&command(&text).unwrap().in_crontab()), Some(text));
    }
}

#[test]
fn commands_are_one_line_that_cron_accepts() {
    for text in ["", " ", "\t", "a\nb", "a\rb", "a\0", "a\u{1b}[0m", "a\u{85}b"] {
        assert!(command(text).is_err(), "{text:?}");
    }
    for (text, is_accepted) in
        [("x".repeat(998), true), ("x".repeat(999), false), ("%".repeat(499), true), ("%".repeat(500), false)]
    {
        assert_eq!(command(&text).is_ok(), is_accepted, "{}", text.len());
    }
    assert!(!format!("{:?}", command("curl -u me:secret").unwrap()).contains("secret"));
}
