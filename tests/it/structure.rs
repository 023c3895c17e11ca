//! The house: which package stands on which, what each brings in from outside, and that no files of one package import
//! each other in a ring. That arrows between packages point one way the compiler holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each package may name: those of ours, and those from outside. A new one from outside needs its sentence of reason
/// in Cargo.toml, and its place here.
const PACKAGES: [(&str, &[&str], &[&str]); 10] = [
    (
        ".",
        &["base", "daemon", "host", "http", "license", "web"],
        &[
            "base64",
            "crossbeam-channel",
            "dns-lookup",
            "lexopt",
            "log",
            "ring",
            "rustix",
            "rustls",
            "serde",
            "serde_json",
            "tiny_http",
            "ureq",
            "webpki-roots",
        ],
    ),
    ("crates/base", &[], &["rustix", "serde", "time", "zeroize"]),
    ("crates/daemon", &["base"], &["crossbeam-channel", "log", "rustix", "sd-listen-fds", "signal-hook", "syslog"]),
    ("crates/host", &["base", "daemon"], &["log", "rustix", "serde", "serde_json"]),
    (
        "crates/http",
        &["base"],
        &["crossbeam-channel", "httparse", "httpdate", "log", "rustix", "serde", "serde_json", "tiny_http"],
    ),
    ("crates/license", &["base"], &["base64", "ring", "serde", "serde_json"]),
    (
        "crates/license-server",
        &["base", "daemon", "http", "license", "web"],
        &[
            "argon2",
            "askama",
            "base64",
            "crossbeam-channel",
            "httparse",
            "lexopt",
            "log",
            "qrcodegen",
            "ring",
            "rusqlite",
            "rustix",
            "rustls",
            "serde",
            "serde_json",
            "tiny_http",
            "tokio",
            "tokio-postgres",
            "tokio-rustls",
            "unicode-normalization",
            "webpki-roots",
            "zeroize",
        ],
    ),
    (
        "crates/operation",
        &["base", "daemon", "host"],
        &[
            "base64",
            "crossbeam-channel",
            "lexopt",
            "log",
            "ring",
            "rustix",
            "rustls-pki-types",
            "rustls-webpki",
            "serde",
            "serde_json",
            "time",
        ],
    ),
    ("crates/web", &["base"], &["base64", "ring"]),
    (
        "examples/demo",
        &["base", "daemon", "license-server"],
        &["lexopt", "log", "ring", "rustix", "serde_json", "signal-hook"],
    ),
];

#[test]
fn every_package_names_these_dependencies_and_no_others() {
    let expected: BTreeSet<PathBuf> = PACKAGES.iter().map(|(folder, ..)| PathBuf::from(folder)).collect();
    let found: BTreeSet<PathBuf> = ["crates", "examples"]
        .iter()
        .flat_map(|folder| fs::read_dir(root().join(folder)).unwrap())
        .map(|entry| entry.unwrap().path().strip_prefix(root()).unwrap().to_owned())
        .chain([PathBuf::from(".")])
        .collect();
    assert_eq!(found, expected, "the packages of the workspace (left) and those of the table (right)");
    for (folder, ours, others) in PACKAGES {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let named = lines_of(&manifest, "dependencies").map(|(name, _)| name.trim_end_matches(".workspace").to_owned());
        let expected = ours.iter().map(|name| format!("opterius-{name}")).chain(others.iter().map(|&name| name.into()));
        assert_eq!(named.collect::<BTreeSet<String>>(), expected.collect(), "{folder}/Cargo.toml");
        assert_eq!(lines_of(&manifest, "build-dependencies").count(), 0, "{folder} has a build script's dependencies");
    }
}

#[test]
fn every_dependency_from_outside_has_its_reason_and_is_used() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut above = "";
    let mut named = BTreeSet::new();
    for line in manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1) {
        if line.starts_with('[') {
            break;
        }
        if let Some((name, rest)) = line.split_once(" = ").filter(|(name, _)| !name.starts_with("opterius-")) {
            let reason = rest.split_once(" # ").map_or(above.trim_start_matches('#'), |(_, reason)| reason);
            assert!(reason.split_whitespace().count() > 0, "{name} has no reason beside it in Cargo.toml");
            named.insert(name);
        }
        above = if line.starts_with('#') { line } else { "" };
    }
    let mut used: BTreeSet<&str> = PACKAGES.iter().flat_map(|(.., others)| others.iter().copied()).collect();
    // The tests' own.
    used.insert("rcgen");
    assert_eq!(named, used);
}

/// The lines of a table of a manifest, each as name and value.
fn lines_of<'a>(manifest: &'a str, table: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let head = format!("[{table}]");
    let lines = manifest.lines().skip_while(move |line| *line != head).skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(['=', ' ']))
        .map(|(name, value)| (name.trim(), value.trim()))
}

// --------------------------------------------------------------------------------------------------------------------
// Rings.

#[test]
fn no_files_of_a_package_import_each_other_in_a_ring() {
    for (folder, ..) in PACKAGES {
        let files = modules(&root().join(folder).join("src"));
        let imports: BTreeMap<&str, BTreeSet<&str>> = files
            .iter()
            .map(|(module, text)| {
                let found = paths(text).into_iter().filter_map(|path| longest(&files, &absolute(module, &path)));
                (module.as_str(), found.filter(|found| found != module).collect())
            })
            .collect();
        for start in imports.keys() {
            let reached = reachable(&imports, start);
            assert!(!reached.contains(start), "{folder}: {start} imports itself by way of {reached:?}");
        }
    }
}

#[test]
fn paths_are_read_from_every_form_of_import() {
    let text =
        "use crate::a::{self, b::{C, d}, e as f};\npub(crate) use super::g;\nlet x = crate::h::i(); // crate::no\n";
    let found = paths(text);
    let expected = ["crate::a::self", "crate::a::b::C", "crate::a::b::d", "crate::a::e", "super::g", "crate::h::i"];
    assert_eq!(found, expected);
    assert_eq!(absolute("x::y", "super::g"), "x::g");
    assert_eq!(absolute("x::y", "crate::a::self"), "a");
}

/// Module path to text, without its tests; `lib` and `main` name the rooms and are none.
fn modules(source: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("_tests.rs") {
                let module = path.strip_prefix(source).unwrap().with_extension("");
                let module = module.to_str().unwrap().replace('/', "::");
                let module = module.strip_suffix("::mod").unwrap_or(&module).to_owned();
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
                if !["lib", "main"].contains(&module.as_str()) {
                    found.insert(module, code);
                }
            }
        }
    }
    found
}

/// Every path into the package: the leaves of its `use` trees, and what is named in full elsewhere.
fn paths(text: &str) -> Vec<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    for (index, _) in code.match_indices("crate::").chain(code.match_indices("super::")).collect::<BTreeMap<_, _>>() {
        let before = code[..index].chars().next_back();
        if before.is_none_or(|before| !before.is_alphanumeric() && before != '_' && before != ':') {
            leaves(String::new(), &mut code[index..].chars().peekable(), &mut found);
        }
    }
    found
}

/// The leaves of one tree, which begins at `rest` with `prefix` before it.
fn leaves(prefix: String, rest: &mut std::iter::Peekable<std::str::Chars<'_>>, found: &mut Vec<String>) {
    let mut path = prefix.clone();
    while let Some(next) = rest.peek().copied() {
        match next {
            '{' => {
                rest.next();
                loop {
                    while rest.peek().is_some_and(|next| next.is_whitespace() || *next == ',') {
                        rest.next();
                    }
                    match rest.peek() {
                        Some('}') | None => break,
                        Some(_) => leaves(path.clone(), rest, found),
                    }
                    // An alias.
                    while rest.peek().is_some_and(|next| ![',', '}'].contains(next)) {
                        rest.next();
                    }
                }
                rest.next();
                return;
            }
            next if next.is_alphanumeric() || next == '_' || next == ':' => {
                path.push(next);
                rest.next();
            }
            _ => break,
        }
    }
    found.push(path);
}

/// A path from the package's root.
fn absolute(module: &str, path: &str) -> String {
    let mut whole: Vec<&str> = if path.starts_with("super::") { module.split("::").collect() } else { Vec::new() };
    for part in path.split("::") {
        match part {
            "crate" | "self" => {}
            "super" => _ = whole.pop(),
            part => whole.push(part),
        }
    }
    whole.join("::")
}

/// The file that a path leads into.
fn longest<'a>(files: &'a BTreeMap<String, String>, path: &str) -> Option<&'a str> {
    let mut path = path;
    loop {
        if let Some((found, _)) = files.get_key_value(path) {
            return Some(found);
        }
        (path, _) = path.rsplit_once("::")?;
    }
}

fn reachable<'a>(imports: &BTreeMap<&'a str, BTreeSet<&'a str>>, start: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = imports[start].iter().copied().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(&imports[module]);
        }
    }
    reached
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
