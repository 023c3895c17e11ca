//! The programs under test, as built by cargo together with this test. Outdated ones are refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const AGENT: &str = env!("CARGO_BIN_EXE_opterius-agent");

pub fn agent() -> String {
    AGENT.to_owned()
}

pub fn helper() -> String {
    static FOUND: OnceLock<String> = OnceLock::new();
    FOUND.get_or_init(|| beside("opterius-operation")).clone()
}

pub fn license_server() -> String {
    static FOUND: OnceLock<String> = OnceLock::new();
    FOUND.get_or_init(|| beside("opterius-license-server")).clone()
}

/// A program of another package in the workspace. cargo builds it for tests of the whole workspace but not of a single
/// package, so it may be missing, or older than its sources.
fn beside(name: &str) -> String {
    let program = Path::new(AGENT).with_file_name(name);
    let remedy =
        "Run: cargo test --workspace, or first: cargo build --workspace --bins (with --release for a benchmark)";
    let modified = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    let built = modified(&program).unwrap_or_else(|error| panic!("{}: {error}. {remedy}", program.display()));
    for source in sources(&program) {
        let is_newer = modified(&source).is_ok_and(|changed| changed > built);
        assert!(!is_newer, "{} is older than {}. {remedy}", program.display(), source.display());
    }
    program.display().to_string()
}

/// The program's sources, from the dependency file that cargo writes next to it.
fn sources(program: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let (_, list) = text.trim_end().split_once(": ").unwrap_or_default();
    list.replace("\\ ", "\0").split(' ').map(|path| PathBuf::from(path.replace('\0', " "))).collect()
}
