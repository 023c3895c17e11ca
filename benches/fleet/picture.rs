//! Draws a week: requests per second on a logarithmic scale, and the shares of Agents that are not verified and restricted.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

use super::figures::{Figures, rate};
use super::report::{length, number, thousands};
use super::scenario::{DAY, END, Scenario, WARM_UP};
use super::simulation::Week;

/// The size of the picture.
const SIZE: (u32, u32) = (960, 370);
/// The edges of the plot.
const LEFT: f64 = 75.0;
const RIGHT: f64 = 905.0;
const TOP: f64 = 85.0;
const BOTTOM: f64 = 325.0;
/// A step of a curve in seconds.
const STEP: usize = 600;
/// The curve of the requests shows the busiest ten seconds of each step.
const WITHIN: usize = 10;

const STYLE: &str = "\
text { fill: #333 } .line { stroke: #ddd } .mark { stroke: #555; stroke-dasharray: 4 3 }
polyline { fill: none; stroke-width: 1.5 } .event { fill: #777; opacity: .15 }
.requests { stroke: #1a5fb4 } .unverified { stroke: #e5a50a } .restricted { stroke: #c01c28 }
text.requests { fill: #1a5fb4; stroke: none } text.unverified { fill: #986a00; stroke: none }
text.restricted { fill: #c01c28; stroke: none }
@media (prefers-color-scheme: dark) { svg { background: #1e1e1e } text { fill: #ddd } .line { stroke: #444 }
.mark { stroke: #aaa } .requests { stroke: #78aeed } text.requests { fill: #78aeed } text.unverified { fill: #e5a50a }
.restricted { stroke: #f66151 } text.restricted { fill: #f66151 } }";

/// Writes the picture of a week into `directory`.
///
/// # Errors
/// The operating system's error.
pub(crate) fn store(
    directory: &Path,
    week: &Week,
    scenario: &Scenario,
    figures: &Figures,
    capacity: u32,
) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let name = scenario.name.replace(' ', "-");
    fs::write(directory.join(format!("{name}.svg")), draw(week, scenario, figures, capacity))
}

fn draw(week: &Week, scenario: &Scenario, figures: &Figures, capacity: u32) -> String {
    let rates = busiest(measured(&week.requests));
    let scale = Scale::new(figures.mean, rates.iter().copied().fold(f64::from(capacity), f64::max));
    let mut picture = Picture::new(week, scenario, figures);
    picture.event(scenario);
    picture.grid(&scale);
    for (label, rate, below) in [
        ("mean", figures.mean, 14.0),
        ("3 × mean", 3.0 * figures.mean, -4.0),
        ("one server", f64::from(capacity), -4.0),
    ] {
        picture.level("mark", scale.up(rate));
        picture.text(RIGHT - 4.0, scale.up(rate) + below, "end", label);
    }
    for (class, counts) in [("unverified", &week.unverified), ("restricted", &week.restricted)] {
        let shares = measured(counts).chunks(STEP).map(|part| part.iter().copied().max().unwrap_or(0));
        picture.curve(class, shares.map(|most| BOTTOM - (BOTTOM - TOP) * f64::from(most) / f64::from(week.agents)));
    }
    picture.curve("requests", rates.iter().map(|rate| scale.up(*rate)));
    picture.0 + "</svg>\n"
}

fn measured(counts: &[u32]) -> &[u32] {
    &counts[WARM_UP as usize..END as usize]
}

fn busiest(requests: &[u32]) -> Vec<f64> {
    let busiest = |part: &[u32]| part.chunks(WITHIN).filter_map(rate).fold(0.0, f64::max);
    requests.chunks(STEP).map(busiest).collect()
}

/// The place of a second of the measured days.
fn across(second: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * second / f64::from(END - WARM_UP)
}

/// The SVG as far as it is drawn.
struct Picture(String);

impl Picture {
    /// The frame with title, figures and legend.
    fn new(week: &Week, scenario: &Scenario, figures: &Figures) -> Self {
        let (agents, name) = (thousands(week.agents.into()), scenario.name);
        let mut picture = Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<title>{agents} Agents, {name}: requests per second over seven days</title>\n\
             <style>\n{STYLE}\n</style>\n",
            SIZE.0, SIZE.1,
        ));
        let peaks = [figures.peak_during, figures.peak_recovery, Some(figures.peak_after)];
        let peak = peaks.into_iter().flatten().fold(figures.peak_before, f64::max);
        let times = format!("{}×", number(peak / figures.mean));
        let restricted = thousands(figures.restricted.into());
        let recovered = match figures.recovered_after {
            0 => "always".to_owned(),
            seconds => format!("{} after the end", length(seconds)),
        };
        picture.add(format_args!("<text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{agents} Agents, {name}</text>\n"));
        let summary = format!(
            "peak {times} the mean of a normal day; at most {restricted} restricted; 99 % verified {recovered}"
        );
        picture.text(LEFT, 42.0, "start", &summary);
        for (class, x, label) in [
            ("requests", LEFT, "requests per second, busiest ten seconds of ten minutes (left)"),
            ("unverified", LEFT + 400.0, "Agents not verified (right)"),
            ("restricted", LEFT + 600.0, "Agents restricted (right)"),
        ] {
            picture.add(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"66\">{label}</text>\n"));
        }
        picture
    }

    /// Shades the time of the event.
    fn event(&mut self, scenario: &Scenario) {
        let event = scenario.event();
        let (from, until) = (across(f64::from(event.start - WARM_UP)), across(f64::from(event.end - WARM_UP)));
        if !event.is_empty() {
            let (width, height) = ((until - from).max(2.0), BOTTOM - TOP);
            self.add(format_args!(
                "<rect class=\"event\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"/>\n"
            ));
        }
    }

    /// The powers of ten on the left, shares on the right, and the days.
    fn grid(&mut self, scale: &Scale) {
        for power in 0..=scale.decades {
            let rate = scale.bottom * 10_f64.powi(power);
            let label = if rate >= 1.0 { thousands(rate.round() as u64) } else { number(rate) };
            self.level("line", scale.up(rate));
            self.text(LEFT - 8.0, scale.up(rate) + 4.0, "end", &label);
        }
        for (share, label) in [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")] {
            self.text(RIGHT + 8.0, BOTTOM - (BOTTOM - TOP) * share + 4.0, "start", label);
        }
        for day in 0..7 {
            let middle = across(f64::from(DAY) * (f64::from(day) + 0.5));
            self.text(middle, BOTTOM + 20.0, "middle", &format!("day {}", day + 1));
        }
    }

    /// A line across the plot.
    fn level(&mut self, class: &str, y: f64) {
        self.add(format_args!("<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n"));
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        self.add(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n"));
    }

    fn curve(&mut self, class: &str, heights: impl Iterator<Item = f64>) {
        let point = |(place, height): (usize, f64)| format!("{:.1},{height:.1}", across((place * STEP) as f64));
        let points: Vec<String> = heights.enumerate().map(point).collect();
        self.add(format_args!("<polyline class=\"{class}\" points=\"{}\"/>\n", points.join(" ")));
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(element);
    }
}

/// The scale of the rates, from a power of ten upward.
struct Scale {
    bottom: f64,
    decades: i32,
}

impl Scale {
    fn new(mean: f64, top: f64) -> Self {
        let bottom = (mean / 10.0).log10().floor();
        Self { bottom: 10_f64.powf(bottom), decades: (top.log10().ceil() - bottom) as i32 }
    }

    fn up(&self, rate: f64) -> f64 {
        let share = (rate.max(self.bottom) / self.bottom).log10() / f64::from(self.decades);
        BOTTOM - (BOTTOM - TOP) * share
    }
}
