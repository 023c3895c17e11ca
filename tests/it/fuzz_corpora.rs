//! What the fuzzers have found stays right: every input of the corpora goes through the same function as there.

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The corpora are part of the repository, so they are small.
const MAX_BYTES: usize = 500 * 1024;

#[test]
fn every_input_of_the_corpora_keeps_the_rules() {
    for (name, check) in fuzz::TARGETS {
        let inputs = entries(&corpora().join(name));
        assert!(!inputs.is_empty(), "the corpus of {name} is empty");
        for input in inputs {
            let data = fs::read(&input).unwrap();
            // Of a panic the test's output shows only what was wrong, not with which input.
            let kept = std::panic::catch_unwind(|| check(&data));
            assert!(kept.is_ok(), "{} breaks a rule of {name}", input.display());
        }
    }
}

#[test]
fn every_target_has_a_program_and_a_corpus_and_a_row_in_the_document() {
    let targets: BTreeSet<String> = fuzz::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names = |folder: &str| -> BTreeSet<String> {
        let stem = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries(&root().join(folder)).iter().map(stem).collect()
    };
    assert_eq!(names("fuzz/fuzz_targets"), targets);
    assert_eq!(names("fuzz/corpus"), targets);

    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let security = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    for target in &targets {
        assert!(manifest.contains(&format!("[[bin]]\nname = \"{target}\"\n")), "{target} is not in fuzz/Cargo.toml");
        let program = fs::read_to_string(root().join(format!("fuzz/fuzz_targets/{target}.rs"))).unwrap();
        assert!(
            program.contains(&format!("opterius_agent_fuzz::{target}::check(data)")),
            "{target} runs another check"
        );
        assert!(security.contains(&format!("\n| `{target}` |")), "{target} has no row in SECURITY.md");
    }
}

#[test]
fn the_corpora_are_small() {
    let inputs = entries(&corpora()).into_iter().flat_map(|corpus| entries(&corpus));
    let bytes: usize = inputs.map(|input| fs::read(input).unwrap().len()).sum();
    assert!(bytes <= MAX_BYTES, "{bytes} bytes; fuzz/run minimize makes them fewer");
}

/// What is fuzzed is what is shipped.
#[test]
fn the_fuzzers_are_locked_to_the_same_versions() {
    let (product, fuzzers) = (locked_versions("Cargo.lock"), locked_versions("fuzz/Cargo.lock"));
    for (name, versions) in fuzzers {
        // What only libFuzzer needs may come in another version beside the product's.
        let same = product.get(&name).is_none_or(|ours| !ours.is_disjoint(&versions));
        assert!(same, "{name} is locked to other versions in fuzz/Cargo.lock: {versions:?}");
    }
}

/// The versions of each package in a lock file.
fn locked_versions(file: &str) -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let mut locked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in text.split("[[package]]\n").skip(1) {
        let value = |key: &str| package.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
        locked.entry(value("name = ")).or_default().insert(value("version = "));
    }
    locked
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn corpora() -> PathBuf {
    root().join("fuzz/corpus")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}
