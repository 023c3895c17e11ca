//! Command-line options.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

const USAGE: &str = "usage: cargo bench --bench license-server -- [--quick] [--fresh] [--lists | --against WORKTREE | --engine postgresql] [--rounds N] [--seconds N]";

pub(crate) struct Options {
    /// The number of rounds; each result is the median over the rounds.
    pub(crate) rounds: u32,
    /// The length of a measurement in seconds.
    pub(crate) seconds: u32,
    /// Whether to recreate the databases.
    pub(crate) fresh: bool,
    /// Whether to measure the lists of the dashboard instead of verifications.
    pub(crate) lists: bool,
    /// Whether to measure PostgreSQL beside SQLite.
    pub(crate) on_postgresql: bool,
    /// The worktree of another version to compare with.
    pub(crate) against: Option<PathBuf>,
}

impl Options {
    pub(crate) fn from_arguments() -> Result<Self, Failure> {
        let mut options =
            Options { rounds: 5, seconds: 5, fresh: false, lists: false, on_postgresql: false, against: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo passes this to every benchmark.
                "--bench" => {}
                "--quick" => (options.rounds, options.seconds) = (1, 1),
                "--fresh" => options.fresh = true,
                "--lists" => options.lists = true,
                "--engine" if arguments.next().as_deref() == Some("postgresql") => options.on_postgresql = true,
                "--against" => options.against = Some(worktree(arguments.next())?),
                "--rounds" => options.rounds = number(arguments.next())?,
                "--seconds" => options.seconds = number(arguments.next())?,
                other => return Err(Failure::new(format!("unknown argument {other}\n{USAGE}"))),
            }
        }
        Ok(options)
    }

    /// The directory of the databases: in the build directory, whose disk is measured, or the value of `OUT`.
    #[expect(clippy::unused_self, reason = "the environment is one of the options")]
    pub(crate) fn root(&self) -> PathBuf {
        let beside = || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-license-server");
        std::env::var_os("OUT").map_or_else(beside, PathBuf::from)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} round(s), {} s a measurement", self.rounds, self.seconds)
    }
}

fn worktree(argument: Option<String>) -> Result<PathBuf, Failure> {
    argument.map(PathBuf::from).ok_or_else(|| Failure::new(format!("a worktree is required\n{USAGE}")))
}

fn number(argument: Option<String>) -> Result<u32, Failure> {
    let number = argument.and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| Failure::new(format!("a number of at least 1 is required\n{USAGE}")))
}
