//! The helper program. It belongs to another package, which cargo does not build with this benchmark, so it may be
//! missing or outdated.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::failure::{During, Failure};

const REMEDY: &str = "First run: cargo build --release --workspace --bins";

/// The helper next to the Agent, where the Agent expects it. It must not be older than its sources.
pub(crate) fn beside(agent: &str) -> Result<PathBuf, Failure> {
    let program = Path::new(agent).with_file_name("opterius-operation");
    let built = modified(&program).map_err(with_remedy)?;
    for source in sources(&program)? {
        // A missing source also means that the build is outdated.
        if modified(&source).map_or(true, |changed| changed > built) {
            let (program, source) = (program.display(), source.display());
            return Err(with_remedy(format_args!("{program} was built before {source} was changed")));
        }
    }
    Ok(program)
}

fn with_remedy(what: impl fmt::Display) -> Failure {
    Failure::new(format!("{what}. {REMEDY}"))
}

fn modified(path: &Path) -> Result<SystemTime, Failure> {
    fs::metadata(path).and_then(|found| found.modified()).at("look at", path)
}

/// The program's sources, from the dependency file that cargo writes next to it.
fn sources(program: &Path) -> Result<Vec<PathBuf>, Failure> {
    let list = program.with_extension("d");
    let text = fs::read_to_string(&list).at("read", &list).map_err(with_remedy)?;
    let (_, sources) = text.trim_end().split_once(": ").unwrap_or_default();
    Ok(sources.replace("\\ ", "\0").split(' ').map(|path| PathBuf::from(path.replace('\0', " "))).collect())
}
