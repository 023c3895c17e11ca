//! Formatting of text tables.

/// The content of a column, which determines its alignment.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Column {
    Words,
    Numbers,
}

/// Formats the lines with columns as wide as their widest cells.
pub(crate) fn format_table<const N: usize>(lines: &[[String; N]], columns: [Column; N]) -> String {
    let mut widths = [0; N];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    lines.iter().map(|line| format_line(line, widths, columns) + "\n").collect()
}

fn format_line<const N: usize>(line: &[String; N], widths: [usize; N], columns: [Column; N]) -> String {
    let cells = line.iter().zip(widths).zip(columns).map(|((cell, width), column)| match column {
        Column::Words => format!("{cell:<width$}"),
        Column::Numbers => format!("{cell:>width$}"),
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// Formats a number with about three significant digits; empty if it is not finite.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => String::new(),
        size if size >= 100.0 || value == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Formats a ratio; empty if it is undefined.
pub(crate) fn ratio(value: f64, of: f64) -> String {
    if value.is_finite() && of > 0.0 { format!("{:.2}", value / of) } else { String::new() }
}
