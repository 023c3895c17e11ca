//! The command line.

use std::path::PathBuf;

use crate::effort::Effort;
use crate::failure::Failure;

const USAGE: &str = "usage: cargo bench --bench compare -- [--quick] [--rounds N] [--seconds N] [--json FILE] \
                     [--against FILE]";

pub(crate) struct Arguments {
    pub(crate) effort: Effort,
    /// The file to write the results to as JSON.
    pub(crate) json: Option<PathBuf>,
    /// The results of an earlier run, for comparison.
    pub(crate) against: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn read() -> Result<Self, Failure> {
        let mut read = Arguments { effort: Effort::full(), json: None, against: None };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                // Cargo passes this to every benchmark.
                "--bench" => {}
                "--quick" => read.effort = Effort::quick(),
                "--rounds" => read.effort.set_rounds(number(words.next())?),
                "--seconds" => read.effort.seconds = number(words.next())?,
                "--json" => read.json = Some(file(words.next())?),
                "--against" => read.against = Some(file(words.next())?),
                other => return Err(Failure::new(format!("unknown argument {other}\n{USAGE}"))),
            }
        }
        Ok(read)
    }
}

fn number(word: Option<String>) -> Result<u32, Failure> {
    let number = word.and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| Failure::new(format!("expected a positive number\n{USAGE}")))
}

fn file(word: Option<String>) -> Result<PathBuf, Failure> {
    word.map(PathBuf::from).ok_or_else(|| Failure::new(format!("expected a file name\n{USAGE}")))
}
