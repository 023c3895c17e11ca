//! Draws the requests per second of a week, on a logarithmic scale.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

use super::figures::rate;
use super::report::thousands;
use super::scenario::{DAY, END, Scenario, WARM_UP};
use super::simulation::Week;

/// The size of the picture and the place of the plot in it.
const SIZE: (f64, f64) = (960.0, 320.0);
const PLOT: (f64, f64, f64, f64) = (70.0, 40.0, 930.0, 280.0);
/// A step of the curve in seconds; it shows the busiest ten seconds within.
const STEP: usize = 600;
const WITHIN: usize = 10;

/// Writes the picture of a week into `directory`.
///
/// # Errors
/// The operating system's error.
pub(crate) fn store(directory: &Path, week: &Week, scenario: &Scenario, capacity: u32) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let name = scenario.name.replace(' ', "-");
    fs::write(directory.join(format!("{name}.svg")), draw(week, scenario, capacity))
}

fn draw(week: &Week, scenario: &Scenario, capacity: u32) -> String {
    let mean = f64::from(week.agents) / f64::from(DAY);
    let measured = &week.requests[WARM_UP as usize..END as usize];
    let busiest = |part: &[u32]| part.chunks(WITHIN).filter_map(rate).fold(0.0, f64::max);
    let rates: Vec<f64> = measured.chunks(STEP).map(busiest).collect();
    let top = rates.iter().copied().fold(f64::from(capacity), f64::max);
    let scale = Scale { bottom: decade(mean / 10.0), decades: decade(top).log10() + 1.0 };
    let (left, upper, right, lower) = PLOT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>{} Agents, {}: requests per second over seven days</title>\n<style>\n\
         text {{ fill: #333 }} .line {{ stroke: #ddd }} .curve {{ fill: none; stroke: #1a5fb4; stroke-width: 1.5 }}\n\
         .event {{ fill: #e01b24; opacity: .15 }} .mark {{ stroke: #555; stroke-dasharray: 4 3 }}\n\
         @media (prefers-color-scheme: dark) {{ svg {{ background: #1e1e1e }} text {{ fill: #ddd }} .line {{ stroke: #444 }} \
         .curve {{ stroke: #78aeed }} .mark {{ stroke: #aaa }} }}\n</style>\n\
         <text x=\"{left}\" y=\"20\" font-size=\"15\">{} Agents, {}: requests per second, busiest ten seconds of ten \
         minutes</text>\n",
        SIZE.0,
        SIZE.1,
        thousands(week.agents.into()),
        scenario.name,
        thousands(week.agents.into()),
        scenario.name,
    );
    // Writing to a String cannot fail.
    let mut add = |element: std::fmt::Arguments<'_>| {
        let _ = svg.write_fmt(element);
    };
    let across = |second: f64| left + (right - left) * second / f64::from(END - WARM_UP);
    let event = scenario.event();
    let (from, until) = (across(f64::from(event.start - WARM_UP)), across(f64::from(event.end - WARM_UP)));
    if scenario.restarts_at(event.start) || until > from {
        let width = (until - from).max(2.0);
        add(format_args!(
            "<rect class=\"event\" x=\"{from:.1}\" y=\"{upper}\" width=\"{width:.1}\" height=\"{:.1}\"/>\n",
            lower - upper
        ));
    }
    let mut level = scale.bottom;
    while scale.up(level) >= upper - 0.5 {
        let y = scale.up(level);
        let label = if level >= 1.0 { thousands(level as u64) } else { format!("{level}") };
        add(format_args!("<line class=\"line\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n"));
        add(format_args!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>\n", left - 8.0, y + 4.0));
        level *= 10.0;
    }
    for day in 0..7 {
        let x = across(f64::from(DAY) * (f64::from(day) + 0.5));
        add(format_args!("<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">day {}</text>\n", lower + 20.0, day + 1));
    }
    for (label, level) in [("mean", mean), ("3 × mean", 3.0 * mean), ("one server", f64::from(capacity))] {
        let y = scale.up(level);
        add(format_args!("<line class=\"mark\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n"));
        add(format_args!("<text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>\n", y - 4.0));
    }
    let points: Vec<String> = rates
        .iter()
        .enumerate()
        .map(|(place, rate)| format!("{:.1},{:.1}", across((place * STEP) as f64), scale.up(*rate)))
        .collect();
    add(format_args!("<polyline class=\"curve\" points=\"{}\"/>\n</svg>\n", points.join(" ")));
    svg
}

/// The power of ten at or below `rate`.
fn decade(rate: f64) -> f64 {
    10_f64.powf(rate.log10().floor())
}

/// The vertical scale, from a power of ten upward.
struct Scale {
    bottom: f64,
    /// The logarithm of the top.
    decades: f64,
}

impl Scale {
    fn up(&self, rate: f64) -> f64 {
        let (_, upper, _, lower) = PLOT;
        let bottom = self.bottom.log10();
        let share = (rate.max(self.bottom).log10() - bottom) / (self.decades - bottom);
        lower - (lower - upper) * share
    }
}
