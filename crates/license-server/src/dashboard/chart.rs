//! A chart with a bar for each day, as inline SVG without text: the scale beside it and the days below it are HTML, so that
//! they keep their size when the picture is stretched to the width of the page.

use super::format::thousands;
use crate::model::Day;

/// The height of the picture, and the width of a day and of its bar, in units of the picture.
const HEIGHT: u128 = 1000;
const DAY_WIDTH: usize = 10;
const BAR_WIDTH: usize = 8;

/// The least height of a bar: a day with one verification looks different from a day without.
const MIN_BAR: u128 = 12;

/// A chart.
pub(super) struct Chart {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What the picture shows, for those who do not see it.
    pub(super) description: String,
    pub(super) width: usize,
    pub(super) height: u128,
    pub(super) bar_width: usize,
    pub(super) bars: Vec<Bar>,
    pub(super) gaps: Vec<Gap>,
    /// The highest, the middle and the lowest value of the scale.
    pub(super) scale: [String; 3],
    /// The first, the middle and the last day.
    pub(super) days: Vec<Day>,
}

/// The bar of a day.
pub(super) struct Bar {
    pub(super) x: usize,
    pub(super) y: u128,
    pub(super) height: u128,
    pub(super) text: String,
}

/// Days without a figure.
pub(super) struct Gap {
    pub(super) x: usize,
    pub(super) width: usize,
}

impl Chart {
    /// The chart of these days, which follow each other; a day without a figure is a gap.
    pub(super) fn new(id: &'static str, title: &'static str, days: &[(Day, Option<u64>)]) -> Self {
        let figures: Vec<u64> = days.iter().filter_map(|(_, figure)| *figure).collect();
        let top = top_of_scale(figures.iter().copied().max().unwrap_or(0));
        let (mut bars, mut gaps) = (Vec::new(), Vec::<Gap>::new());
        for (index, (day, figure)) in days.iter().enumerate() {
            let x = index.saturating_mul(DAY_WIDTH);
            match (figure, gaps.last_mut()) {
                (Some(figure), _) => bars.push(Bar::new(x.saturating_add(1), *day, *figure, top)),
                (None, Some(gap)) if gap.x.saturating_add(gap.width) == x => {
                    gap.width = gap.width.saturating_add(DAY_WIDTH);
                }
                (None, _) => gaps.push(Gap { x, width: DAY_WIDTH }),
            }
        }
        let marked = [0, days.len() / 2, days.len().saturating_sub(1)];
        Self {
            id,
            title,
            description: description(title, days, &figures),
            width: days.len().saturating_mul(DAY_WIDTH),
            height: HEIGHT,
            bar_width: BAR_WIDTH,
            bars,
            gaps,
            scale: [top, top / 2, 0].map(short),
            days: marked.iter().filter_map(|index| days.get(*index)).map(|(day, _)| *day).collect(),
        }
    }
}

impl Bar {
    fn new(x: usize, day: Day, figure: u64, top: u128) -> Self {
        let exact = u128::from(figure).saturating_mul(HEIGHT).checked_div(top).unwrap_or(0);
        let height = if figure == 0 { 0 } else { exact.clamp(MIN_BAR, HEIGHT) };
        Self { x, y: HEIGHT.saturating_sub(height), height, text: format!("{day}: {}", thousands(figure)) }
    }
}

/// The chart in a sentence.
fn description(title: &str, days: &[(Day, Option<u64>)], figures: &[u64]) -> String {
    let (Some((first, _)), Some((last, _))) = (days.first(), days.last()) else { return title.to_owned() };
    let range = match (figures.iter().min(), figures.iter().max(), figures.last()) {
        (Some(lowest), Some(highest), Some(latest)) => {
            let [lowest, highest, latest] = [lowest, highest, latest].map(|figure| thousands(*figure));
            format!("lowest {lowest}, highest {highest}, latest {latest}.")
        }
        _ => "no figures yet.".to_owned(),
    };
    let missing = match days.len().saturating_sub(figures.len()) {
        0 => String::new(),
        1 => " 1 day has no figure.".to_owned(),
        missing => format!(" {missing} days have no figure."),
    };
    format!("{title}, {first} to {last}: {range}{missing}")
}

/// The highest value of a scale that has room for `highest`: 2, 4 or 10 times a power of ten, whose half is round too.
fn top_of_scale(highest: u64) -> u128 {
    let highest = u128::from(highest);
    let mut power: u128 = 1;
    loop {
        if let Some(top) = [2, 4, 10].map(|factor| power.saturating_mul(factor)).into_iter().find(|top| *top >= highest)
        {
            return top;
        }
        power = power.saturating_mul(10);
    }
}

/// A round number in few characters.
fn short(number: u128) -> String {
    const UNITS: [(u128, &str); 4] = [(1_000_000_000_000, "tn"), (1_000_000_000, "bn"), (1_000_000, "M"), (1000, "k")];
    let whole = |number: u128| thousands(u64::try_from(number).unwrap_or(u64::MAX));
    match UNITS.iter().find(|(unit, _)| number >= *unit) {
        Some((unit, name)) => format!("{}{name}", whole(number / unit)),
        None => whole(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number() {
        for (highest, top, labels) in [
            (0, 2, ["2", "1", "0"]),
            (2, 2, ["2", "1", "0"]),
            (3, 4, ["4", "2", "0"]),
            (5, 10, ["10", "5", "0"]),
            (11, 20, ["20", "10", "0"]),
            (1500, 2000, ["2k", "1k", "0"]),
            (40_001, 100_000, ["100k", "50k", "0"]),
            (3_000_000, 4_000_000, ["4M", "2M", "0"]),
            (12_000_000_000, 20_000_000_000, ["20bn", "10bn", "0"]),
            (u64::MAX, 20_000_000_000_000_000_000, ["20,000,000tn", "10,000,000tn", "0"]),
        ] {
            assert_eq!(top_of_scale(highest), top, "{highest}");
            assert_eq!([top, top / 2, 0].map(short), labels, "{highest}");
        }
    }

    #[test]
    fn a_gap_is_no_zero() {
        let last = Day::from_number(20_000);
        let figures = [Some(1000), None, None, Some(0), Some(1), None];
        let days: Vec<_> = last.minus(5).through(last).zip(figures).collect();
        let chart = Chart::new("x", "Servers", &days);
        let bars: Vec<_> = chart.bars.iter().map(|bar| (bar.x, bar.height)).collect();
        assert_eq!(bars, [(1, 1000), (31, 0), (41, MIN_BAR)]);
        let gaps: Vec<_> = chart.gaps.iter().map(|gap| (gap.x, gap.width)).collect();
        assert_eq!(gaps, [(10, 20), (50, 10)]);
        assert_eq!(
            chart.description,
            "Servers, 2024-09-29 to 2024-10-04: lowest 0, highest 1,000, latest 1. 3 days have no figure."
        );
        assert_eq!(chart.bars[0].text, "2024-09-29: 1,000");
        let none = Chart::new("x", "Servers", &[(last, None)]);
        assert!(none.bars.is_empty() && none.description.contains("no figures yet"), "{}", none.description);
    }
}
