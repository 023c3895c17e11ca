//! Lists: aligned columns, or a JSON array. They are printed page by page, so that a long list needs no more memory than a
//! page and stops when the reader closes the pipe.

use std::io::ErrorKind;

use serde::Serialize;

use crate::cause::cause;
use crate::commands::failure::Failure;
use opterius_base::text::{one_line, terminal_json};
use opterius_daemon::output::print;

/// The maximum length of a table cell, in characters.
const MAX_CELL: usize = 128;

/// A list that is being printed.
pub(super) struct Listing {
    /// The column names; `None` for JSON.
    header: Option<&'static [&'static str]>,
    widths: Vec<usize>,
    count: usize,
}

impl Listing {
    pub(super) fn new(json: bool, header: &'static [&'static str]) -> Self {
        let widths = header.iter().map(|name| name.chars().count()).collect();
        Self { header: if json { None } else { Some(header) }, widths, count: 0 }
    }

    /// Prints more items; returns whether the output is still read.
    pub(super) fn add<'a, T, J: Serialize>(
        &mut self,
        items: &'a [T],
        row: impl Fn(&T) -> Vec<String>,
        json: impl Fn(&'a T) -> J,
    ) -> Result<bool, Failure> {
        if items.is_empty() {
            return Ok(true);
        }
        let mut text = String::new();
        if let Some(header) = self.header {
            let rows: Vec<Vec<String>> = items.iter().map(|item| cells(row(item))).collect();
            for row in &rows {
                for (width, cell) in self.widths.iter_mut().zip(row) {
                    *width = (*width).max(cell.chars().count());
                }
            }
            if self.count == 0 {
                text.push_str(&self.line(header.iter().copied()));
            }
            for row in &rows {
                text.push_str(&self.line(row.iter().map(String::as_str)));
            }
        } else {
            for (index, item) in items.iter().enumerate() {
                text.push_str(if self.count == 0 && index == 0 { "[" } else { ",\n" });
                text.push_str(&to_json(&json(item))?);
            }
        }
        self.count = self.count.saturating_add(items.len());
        emit(&text)
    }

    /// Ends the list. `nothing` is printed instead of an empty table.
    pub(super) fn end(self, nothing: &str) -> Result<(), Failure> {
        match (self.header, self.count) {
            (Some(_), 0) => emit(&format!("{nothing}\n")),
            (Some(_), _) => Ok(true),
            (None, 0) => emit("[]\n"),
            (None, _) => emit("]\n"),
        }?;
        Ok(())
    }

    fn line<'a>(&self, cells: impl Iterator<Item = &'a str>) -> String {
        let padded = cells.zip(&self.widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    }
}

fn cells(row: Vec<String>) -> Vec<String> {
    row.into_iter().map(|cell| one_line(&cell, MAX_CELL)).collect()
}

/// A complete table as text.
pub(super) fn table(header: &'static [&'static str], rows: Vec<Vec<String>>) -> String {
    let mut listing = Listing::new(false, header);
    let rows: Vec<Vec<String>> = rows.into_iter().map(cells).collect();
    for row in &rows {
        for (width, cell) in listing.widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = listing.line(header.iter().copied());
    for row in &rows {
        text.push_str(&listing.line(row.iter().map(String::as_str)));
    }
    text
}

/// Prints one object as JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    emit(&format!("{}\n", to_json(value)?))?;
    Ok(())
}

/// Prints; returns whether the output is still read. Any failure but a closed pipe, such as a full disk, is an error.
pub(super) fn emit(text: &str) -> Result<bool, Failure> {
    match print(text) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::refused(format!(
            "the command succeeded, but its output could not be written: {}",
            cause(&error)
        ))),
    }
}

fn to_json(value: &impl Serialize) -> Result<String, Failure> {
    let json =
        serde_json::to_string(value).map_err(|error| Failure::refused(format!("cannot serialize as JSON: {error}")))?;
    Ok(terminal_json(&json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cells_contain_no_control_characters() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = table(&["ID", "OWNER"], vec![row(["1", "zoë"]), row(["100", "a\nb\u{1b}[2J"])]);
        assert_eq!(text, "ID   OWNER\n1    zoë\n100  a b [2J\n");
    }
}
