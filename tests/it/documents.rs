//! Documents cannot drift: what README.md and SECURITY.md say is held against the program and the tests.

use crate::prometheus::FAMILIES;
use opterius_agent::cli::command_line::HELP;
use opterius_agent::doctor::CHECKS;
use opterius_license::reason::EXPLANATIONS;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

// --------------------------------------------------------------------------------------------------------------------
// README.md.

#[test]
fn the_readme_has_every_option_and_subcommand_of_the_help_and_no_others() {
    let readme = read("README.md");
    let section = section(&readme, "## Command line");
    assert_eq!(options(section), options(HELP), "options of README.md (left) and of --help (right)");
    assert_eq!(usage(section), usage(HELP), "usage lines of README.md (left) and of --help (right)");
    let foreign: Vec<&str> = readme
        .lines()
        .filter(|line| line.contains("opterius-agent --"))
        .filter(|line| !options(line).is_subset(&options(HELP)))
        .collect();
    assert!(foreign.is_empty(), "options that do not exist: {foreign:#?}");
}

/// Every `--option` in a text.
fn options(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.strip_prefix("--").is_some_and(|name| name.starts_with(char::is_alphabetic))).collect()
}

/// What is said of each form of the command that takes a configuration.
fn usage(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| line.starts_with("opterius-agent [")).collect()
}

#[test]
fn the_readme_has_every_exit_code_of_the_help() {
    let readme = read("README.md");
    let section = section(&readme, "## Command line");
    let (_, of_help) = HELP.split_once("Exit codes:\n").unwrap();
    let codes = of_help.lines().map_while(|line| line.split_whitespace().next());
    for code in codes {
        let words = section.split(|c: char| !c.is_ascii_digit());
        assert!(words.into_iter().any(|word| word == code), "exit code {code} is not in README.md");
    }
}

#[test]
fn the_readme_explains_every_reason_in_the_programs_words() {
    let readme = read("README.md");
    for explanation in EXPLANATIONS {
        let named = format!("`{}`", explanation.reason);
        let row = readme.lines().find(|line| line.starts_with(&format!("| {named} |")));
        let row = row.unwrap_or_else(|| panic!("README.md has no row for {named}"));
        for text in [explanation.sentence, explanation.help] {
            assert!(row.contains(text), "README.md does not say of {named}: {text}");
        }
    }
    let rows = section(&readme, "### Reasons").lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, EXPLANATIONS.len(), "README.md has rows for reasons that do not exist");
}

#[test]
fn the_readme_has_every_check_of_the_doctor_in_its_order() {
    let readme = read("README.md");
    let section = section(&readme, "### What doctor looks at");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let made: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(rows.collect::<Vec<_>>(), made, "the checks of README.md (left) and of the doctor (right)");
}

#[test]
fn the_readme_explains_every_member_of_the_status_in_its_order() {
    let agent = crate::support::agent::Agent::unlicensed();
    // Parsing would lose the order.
    let document = agent.fetch(crate::support::http::Request::get("/license/status")).text();
    let readme = read("README.md");
    let rows =
        section(&readme, "### The status").lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let explained: Vec<&str> = rows.collect();
    let status: serde_json::Value = serde_json::from_str(&document).unwrap();
    let mut members: Vec<&String> = status.as_object().unwrap().keys().collect();
    members.sort_by_key(|member| document.find(&format!("\"{member}\":")));
    assert_eq!(explained, members);
    let documented = ["valid", "plan", "max_accounts", "max_servers", "expires_at", "message"];
    assert_eq!(explained[..6], documented);
}

#[test]
fn the_readme_has_every_metric_with_its_labels() {
    let readme = read("README.md");
    let rows: Vec<&str> = section(&readme, "### Metrics").lines().filter(|line| line.starts_with("| `")).collect();
    let named: BTreeSet<&str> = rows.iter().filter_map(|row| row.split('`').nth(1)).collect();
    assert_eq!(named, FAMILIES.iter().map(|(name, ..)| *name).collect());
    for (name, _, labels) in FAMILIES {
        let row = rows.iter().find(|row| row.starts_with(&format!("| `{name}` |"))).unwrap();
        assert!(labels.iter().all(|label| row.contains(&format!("`{label}`"))), "{row} does not explain {labels:?}");
    }
}

#[test]
fn every_file_that_a_document_names_exists() {
    for document in ["README.md", "SECURITY.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = read(document);
        // Between backticks, with a slash: `src/http/limits.rs`, `tests/it/hazards/`.
        let quoted = text.split('`').skip(1).step_by(2);
        let rooms = ["src/", "crates/", "tests/", "benches/", "examples/", "dist/", "docs/", "fuzz/", ".ci/"];
        for path in quoted.filter(|text| rooms.iter().any(|room| text.starts_with(room))) {
            let path = path.split_whitespace().next().unwrap_or_default();
            assert!(root().join(path).exists(), "{document} names {path}, which does not exist");
        }
    }
}

/// The help is in the README as it is printed.
#[test]
fn the_readme_has_the_help_of_the_license_server() {
    let readme = read("README.md");
    let section = section(&readme, "### Command line of the license server");
    let help = opterius_license_server::commands::specs::help();
    let (_, rest) = help.split_once("\n\n").unwrap();
    let (commands, _) = rest.split_once("Exit codes:").unwrap();
    let (_, commands) = commands.split_once("The server:").unwrap();
    for line in commands.lines().filter(|line| !line.is_empty()) {
        assert!(section.contains(&format!("\n    {line}\n")), "README.md does not have: {line}");
    }
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    for code in codes.lines().map_while(|line| line.split_whitespace().next()) {
        assert!(section.contains(&format!(" {code} ")), "exit code {code} is not in README.md");
    }
}

#[test]
fn the_readme_has_every_denial_of_the_license_server() {
    use opterius_base::clock::Timestamp;
    use opterius_license_server::rules::{Denial, UNKNOWN_KEY};
    let ip = |text: &str| text.parse().unwrap();
    let denials = [
        Denial::Cancelled,
        Denial::Suspended,
        Denial::Expired(Timestamp::parse_rfc3339("2027-03-01T00:00:00Z").unwrap()),
        Denial::IpMismatch { locked: ip("203.0.113.5"), asking: ip("198.51.100.7") },
        Denial::ServerLimit { active: 1, allowed: 1 },
    ];
    let mut rows: Vec<(&str, String)> = denials.iter().map(|denial| (denial.reason(), denial.message())).collect();
    rows.insert(0, (UNKNOWN_KEY.0, UNKNOWN_KEY.1.to_owned()));
    let readme = read("README.md");
    let section = section(&readme, "### What it decides");
    let expected: Vec<String> = rows.iter().map(|(reason, message)| format!("| `{reason}` | {message} |")).collect();
    let found: Vec<&str> =
        section.lines().filter(|line| line.starts_with("| `") && !line.contains("`reason`")).collect();
    assert_eq!(found, expected);
}

// --------------------------------------------------------------------------------------------------------------------
// The manual pages.

#[test]
fn the_manual_has_everything_that_the_help_has() {
    let page = prose("dist/man/opterius-agent.8");
    for line in HELP.lines().filter(|line| line.starts_with("  ")) {
        let (form, meaning) = line.trim().split_once("  ").unwrap();
        assert!(page.contains(meaning.trim()), "opterius-agent(8) does not say of {form}: {}", meaning.trim());
    }
    assert!(flags("dist/man/opterius-agent.8").iter().eq(options(HELP)), "the options of the manual and of the help");
}

#[test]
fn the_manual_of_the_license_server_has_everything_that_its_help_has() {
    let page = prose("dist/man/opterius-license-server.8");
    let help = opterius_license_server::commands::specs::help();
    let (_, said) = help.split_once("\n\n").unwrap();
    let (_, said) = said.split_once("\n\n").unwrap();
    for line in said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.ends_with(':')) {
        let (form, meaning) = line.split_once("  ").unwrap_or((line, ""));
        let meaning = meaning.trim();
        assert!(page.contains(if meaning.is_empty() { form } else { meaning }), "it does not have: {line}");
    }
}

#[test]
fn the_manual_of_the_configuration_explains_every_key_of_the_example_in_its_words() {
    let page = prose("dist/man/agent.conf.5");
    let example = read("dist/agent.conf");
    let (_, keys) = example.split_once("# -----").unwrap();
    let mut shown = Vec::new();
    for paragraph in keys.split("\n\n").map(str::trim) {
        let lines = paragraph.lines().filter(|line| !line.contains("-----"));
        let (set, said): (Vec<&str>, Vec<&str>) = lines.partition(|line| !line.starts_with("# "));
        let said: Vec<&str> = said.into_iter().map(|line| line.trim_start_matches("# ")).collect();
        assert!(page.contains(&said.join(" ")), "agent.conf(5) does not say: {}", said.join(" "));
        shown.extend(set.into_iter().map(|line| line.trim_start_matches('#')));
    }
    let source = read("dist/man/agent.conf.5");
    let items = source.lines().filter_map(|line| line.strip_prefix(".It Ic "));
    let items: Vec<String> = items.map(|item| item.replace(" Ns = Ns Ar ", "=")).collect();
    assert_eq!(items, shown, "the keys of agent.conf(5) (left) and of the example (right)");
}

/// The words of a manual page in one line, with the forms that it lists.
fn prose(page: &str) -> String {
    let source = read(page);
    let words = source.lines().map(|line| line.strip_prefix(".It Ic ").unwrap_or(line));
    words.filter(|line| !line.starts_with('.')).collect::<Vec<_>>().join(" ").replace("\\&", "")
}

/// The options of a manual page, as they are written on a command line.
fn flags(page: &str) -> BTreeSet<String> {
    let source = read(page);
    let words: Vec<&str> = source.split_whitespace().collect();
    let flags = words.windows(2).filter(|pair| pair[0].trim_start_matches('.') == "Fl");
    flags.map(|pair| format!("-{}", pair[1])).collect()
}

// --------------------------------------------------------------------------------------------------------------------
// SECURITY.md.

#[test]
fn every_row_of_the_hazard_table_names_its_test() {
    let security = read("SECURITY.md");
    let tests: String = files_under("tests/it/hazards").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for number in 1..=11 {
        let row = security.lines().find(|line| line.starts_with(&format!("| {number} |")));
        let row = row.unwrap_or_else(|| panic!("SECURITY.md has no row {number}"));
        let prefix = format!("row_{number:02}_");
        let name = row.split('`').find(|word| word.starts_with(&prefix));
        let name = name.unwrap_or_else(|| panic!("row {number} of SECURITY.md names no test {prefix}…"));
        assert!(tests.contains(&format!("#[test]\nfn {name}() {{")), "there is no test {name}");
    }
}

// --------------------------------------------------------------------------------------------------------------------
// The whole tree.

#[test]
fn nothing_names_a_place_of_the_machine_that_it_was_written_on() {
    // Put together here, so that this file does not name them.
    let places = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/home/", "user/"].concat()];
    let own = ["src", "crates", "tests", "benches", "examples", "fuzz/src", "dist", "docs", ".ci", ".cargo"]
        .into_iter()
        .flat_map(files_under);
    // In a work tree of git's, .git is a file with the path of the repository.
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let top = top.filter(|path| path.is_file() && !path.ends_with(".git"));
    for path in own.chain(top) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for place in &places {
            // "$1/…" is below some other root.
            let absolute = text.match_indices(place.as_str()).find(|(index, _)| {
                let before = text[..*index].chars().next_back();
                before.is_none_or(|before| !before.is_alphanumeric() && !"._-}$".contains(before))
            });
            let line = absolute.map(|(index, _)| text[..index].lines().count());
            assert_eq!(line, None, "{} names {place} in this line", path.display());
        }
    }
}

#[test]
fn every_module_of_the_tests_is_declared() {
    let tests = root().join("tests/it");
    let mut files = files_under("tests/it");
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    for path in files {
        let (folder, stem) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
        let (parent, name) = match (stem, folder == tests) {
            ("main", true) => continue,
            (_, true) => (tests.join("main.rs"), stem),
            ("mod", false) => (parent_of(folder, &tests), folder.file_name().unwrap().to_str().unwrap()),
            (_, false) => (module_of(folder), stem),
        };
        let declared = fs::read_to_string(&parent).unwrap();
        let declares = |line: &str| {
            line.trim_start_matches("pub ").trim_start_matches("pub(crate) ").trim_end() == format!("mod {name};")
        };
        assert!(declared.lines().any(declares), "{} is not declared in {}", path.display(), parent.display());
    }
}

/// Where a folder of modules is declared.
fn parent_of(folder: &Path, tests: &Path) -> PathBuf {
    let above = folder.parent().unwrap();
    if above == tests { tests.join("main.rs") } else { module_of(above) }
}

/// The file of the module that a folder belongs to.
fn module_of(folder: &Path) -> PathBuf {
    let inside = folder.join("mod.rs");
    if inside.exists() { inside } else { folder.with_extension("rs") }
}

// --------------------------------------------------------------------------------------------------------------------
// What all of them stand on.

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// From a heading that begins like this to the next one of the same or a higher level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let level = heading.chars().take_while(|c| *c == '#').count();
    let start = text.find(&format!("\n{heading}")).unwrap_or_else(|| panic!("there is no “{heading}”")) + 1;
    let body = &text[start..];
    let is_next = |index: &usize| {
        let hashes = body[index + 1..].chars().take_while(|c| *c == '#').count();
        (1..=level).contains(&hashes)
    };
    let end = body.match_indices('\n').map(|(index, _)| index).find(is_next);
    &body[..end.unwrap_or(body.len())]
}

/// All files below a folder of the repository; none where there is no such folder.
fn files_under(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}
