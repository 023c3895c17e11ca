//! The table of one size of the fleet.

use std::fmt::Write;

use super::figures::Figures;
use super::scenario::{DAY, HOUR};

/// One row for each scenario, in Markdown.
pub(crate) fn table(agents: u32, capacity: u32, rows: &[(&str, Figures)]) -> String {
    let mut text = String::new();
    let Some((_, first)) = rows.first() else { return text };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "### {} Agents\n\nMean of a normal day: {} requests/s. Peaks are those of {}, as multiples of that mean. One server \
         verifies {} requests/s.\n",
        thousands(agents.into()),
        number(first.mean),
        if first.interval == 1 { "a second".to_owned() } else { format!("{} s", first.interval) },
        thousands(capacity.into()),
    );
    text.push_str(
        "| week | requests | refused (503) | peak before the event | during it | in the recovery | after it | \
         99 % verified after | restricted at most | without need | the last of them for |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (name, figures) in rows {
        let times = |rate: f64| format!("{}× ({}/s)", number(rate / figures.mean), number(rate));
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            thousands(figures.requests),
            thousands(figures.refused),
            times(figures.peak_before),
            figures.peak_during.map_or("none".to_owned(), times),
            figures.peak_recovery.map_or("none".to_owned(), times),
            times(figures.peak_after),
            length(figures.recovered_after),
            thousands(figures.restricted.into()),
            thousands(figures.restricted_without_need.into()),
            length(figures.restricted_until),
        );
    }
    text
}

/// A time in the unit that suits it.
pub(crate) fn length(seconds: u32) -> String {
    match seconds {
        0 => "0".to_owned(),
        1..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        7200..172_800 => format!("{:.1} h", f64::from(seconds) / f64::from(HOUR)),
        _ => format!("{:.1} days", f64::from(seconds) / f64::from(DAY)),
    }
}

/// Three digits.
pub(crate) fn number(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => thousands(value.round() as u64),
    }
}

/// An integer with commas.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
