//! Documents cannot drift: these tests compare them with the programs, with the code, and with each other.

use crate::prometheus::FAMILIES;
use opterius_agent::api::routes::{Operation, ROUTES};
use opterius_agent::cli::command_line::HELP;
use opterius_agent::doctor::CHECKS;
use opterius_license::reason::EXPLANATIONS;
use opterius_license_server::metrics::Metrics;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

// --------------------------------------------------------------------------------------------------------------------
// README.md.

#[test]
fn the_readme_is_short_and_begins_with_the_two_commands() {
    let readme = read("README.md");
    let lines: Vec<&str> = readme.lines().collect();
    assert!(lines.len() <= 150, "README.md has {} lines: move something to docs/", lines.len());
    for command in ["    cargo demo ", "    tests/run "] {
        let place = lines.iter().position(|line| line.starts_with(command));
        assert!(place.is_some_and(|place| place < 40), "{command} is not in the first 40 lines of README.md");
    }
}

#[test]
fn the_readme_explains_every_reason_in_the_programs_words() {
    let readme = read("README.md");
    let rows: Vec<&str> = rows(section(&readme, "### Reasons")).collect();
    for explanation in EXPLANATIONS {
        let named = format!("`{}`", explanation.reason);
        let row = rows.iter().find(|line| line.starts_with(&format!("| {named} |")));
        let row = row.unwrap_or_else(|| panic!("README.md has no row for {named}"));
        for text in [explanation.sentence, explanation.help] {
            assert!(row.contains(text), "README.md does not say about {named}: {text}");
        }
    }
    assert_eq!(rows.len(), EXPLANATIONS.len(), "README.md has rows for reasons that do not exist");
}

/// Of the patterns in the table, the longest that matches a path decides. `/ssl/…` matches everything below `/ssl/`.
#[test]
fn the_readme_says_of_every_path_whether_it_is_supported() {
    let readme = read("README.md");
    let table = section(&readme, "## Supported operations");
    let cells = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let cells = cells.map(|row| row.split('|').collect::<Vec<_>>());
    let mut patterns: Vec<(&str, bool)> = Vec::new();
    for cells in cells {
        assert_eq!(cells.len(), 5, "{cells:?}");
        patterns.extend(quoted(cells[2]).map(|pattern| (pattern, true)));
        patterns.extend(quoted(cells[3]).map(|pattern| (pattern, false)));
    }
    let mut unused: BTreeSet<&str> = patterns.iter().map(|(pattern, _)| *pattern).collect();
    for route in &ROUTES {
        let is_done =
            route.operation != Operation::Host || opterius_host::request::PATHS.concat().contains(&route.path);
        let matches = |pattern: &str| {
            pattern.strip_suffix('…').map_or(pattern == route.path, |prefix| route.path.starts_with(prefix))
        };
        let found = patterns.iter().filter(|(pattern, _)| matches(pattern)).max_by_key(|(pattern, _)| pattern.len());
        let (pattern, done) = found.unwrap_or_else(|| panic!("README.md does not have {}", route.path));
        assert_eq!(*done, is_done, "{}, by {pattern}: README.md (left) and the Agent (right)", route.path);
        unused.remove(pattern);
    }
    assert!(unused.is_empty(), "paths that the Agent does not have: {unused:?}");
}

// --------------------------------------------------------------------------------------------------------------------
// docs/agent.md.

#[test]
fn the_documented_command_line_of_the_agent_is_that_of_its_help() {
    let document = read("docs/agent.md");
    let section = section(&document, "## Command line");
    assert_eq!(options(section), options(HELP), "options of docs/agent.md (left) and of --help (right)");
    assert_eq!(usage(section), usage(HELP), "usage lines of docs/agent.md (left) and of --help (right)");
    for (name, document) in documents() {
        let foreign: Vec<&str> = document
            .lines()
            .filter(|line| line.contains("opterius-agent --"))
            .filter(|line| !options(line).is_subset(&options(HELP)))
            .collect();
        assert!(foreign.is_empty(), "{name} has options that do not exist: {foreign:#?}");
    }
}

/// Every `--option` in a text.
fn options(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.strip_prefix("--").is_some_and(|name| name.starts_with(char::is_alphabetic))).collect()
}

/// The lines about the forms of the command that take a configuration.
fn usage(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| line.starts_with("opterius-agent [")).collect()
}

#[test]
fn every_exit_code_of_the_agent_is_documented() {
    let document = read("docs/agent.md");
    assert_eq!(
        first_cells(section(&document, "## Command line")),
        exit_codes(HELP),
        "docs/agent.md (left), --help (right)"
    );
}

/// The exit codes of a help text.
fn exit_codes(help: &str) -> Vec<&str> {
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    codes.lines().map_while(|line| line.split_whitespace().next()).collect()
}

/// The numbers in the first column of a table.
fn first_cells(section: &str) -> Vec<&str> {
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    cells.filter(|cell| cell.starts_with(|c: char| c.is_ascii_digit())).collect()
}

// --------------------------------------------------------------------------------------------------------------------
// docs/troubleshooting.md.

#[test]
fn every_check_of_the_doctor_is_documented_in_its_order() {
    let document = read("docs/troubleshooting.md");
    let documented: Vec<&str> = names(section(&document, "## Doctor")).collect();
    let checks: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(documented, checks, "the checks of docs/troubleshooting.md (left) and of the doctor (right)");
}

#[test]
fn every_member_of_the_status_is_documented_in_its_order() {
    let agent = crate::support::agent::Agent::unlicensed();
    // Parsing would lose the order.
    let answer = agent.fetch(crate::support::http::Request::get("/license/status")).text();
    let document = read("docs/troubleshooting.md");
    let documented: Vec<&str> = names(section(&document, "## Status")).collect();
    let status: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let mut members: Vec<&String> = status.as_object().unwrap().keys().collect();
    members.sort_by_key(|member| answer.find(&format!("\"{member}\":")));
    assert_eq!(documented, members);
    let contract = ["valid", "plan", "max_accounts", "max_servers", "expires_at", "message"];
    assert_eq!(documented[..6], contract);
}

/// An operator searches the manual for what the log says.
#[test]
fn every_documented_log_line_is_in_the_code() {
    let document = read("docs/troubleshooting.md");
    let code = code_of_the_agent();
    let table = section(&document, "## Log lines");
    let lines = table.lines().filter(|line| line.starts_with("    License: "));
    let cells = rows(table).flat_map(|row| quoted(row.split(" | ").next().unwrap_or_default()));
    let mut checked = 0;
    for line in lines.chain(cells).filter(|line| !line.starts_with("    License: valid")) {
        for text in line.split(['…', '<', '>', 'N']).map(str::trim).filter(|text| text.len() > 6) {
            assert!(text.contains("License is already") || code.contains(text), "no log line has “{text}”: {line}");
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} texts");
}

/// The Rust source of the Agent and its packages, without the line breaks of long texts.
fn code_of_the_agent() -> String {
    let folders =
        ["src", "crates/base", "crates/daemon", "crates/http", "crates/host", "crates/license", "crates/operation"];
    let files =
        folders.into_iter().flat_map(files_under).filter(|path| path.extension().is_some_and(|name| name == "rs"));
    let code: String = files.map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut pieces = code.split("\\\n");
    let first = pieces.next().unwrap().to_owned();
    pieces.fold(first, |joined, piece| joined + piece.trim_start())
}

#[test]
fn every_signal_of_the_help_is_documented() {
    let document = read("docs/troubleshooting.md");
    let section = section(&document, "## Signals");
    let (_, signals) = HELP.split_once("Signals:\n").unwrap();
    for line in signals.lines().filter(|line| !line.is_empty()) {
        let (names, _) = line.trim().split_once("  ").unwrap();
        assert!(section.contains(&format!("\n| {names} | ")), "docs/troubleshooting.md has no row for {names}");
    }
}

// --------------------------------------------------------------------------------------------------------------------
// docs/metrics.md.

#[test]
fn every_metric_of_the_agent_is_documented_with_its_labels() {
    let document = read("docs/metrics.md");
    let section = section(&document, "## Agent");
    let documented: BTreeSet<&str> = names(section).collect();
    assert_eq!(documented, FAMILIES.iter().map(|(name, ..)| *name).collect());
    for (name, _, labels) in FAMILIES {
        let row = rows(section).find(|row| row.starts_with(&format!("| `{name}` |"))).unwrap();
        assert!(labels.iter().all(|label| row.contains(&format!("`{label}`"))), "{row} does not explain {labels:?}");
    }
}

#[test]
fn every_metric_of_the_license_server_is_documented_with_its_labels() {
    let document = read("docs/metrics.md");
    let section = section(&document, "## License server");
    let answer = Metrics::default().answer(&opterius_license_server::store::writer::Work::default());
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    assert_eq!(names(section).collect::<Vec<_>>(), types.collect::<Vec<_>>());
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, labels)) = sample.split_once('{') else { continue };
        let (label, _) = labels.split_once('=').unwrap();
        let row = rows(section).find(|row| row.starts_with(&format!("| `{name}` |"))).unwrap();
        assert!(row.contains(&format!("`{label}`")), "{row} does not explain {label}");
    }
}

// --------------------------------------------------------------------------------------------------------------------
// docs/license-server.md.

/// The document has the help as the program prints it.
#[test]
fn the_documented_command_line_of_the_license_server_is_its_help() {
    let document = read("docs/license-server.md");
    let section = section(&document, "## Command line");
    let help = opterius_license_server::commands::specs::help();
    let (_, rest) = help.split_once("\n\n").unwrap();
    let (commands, _) = rest.split_once("Exit codes:").unwrap();
    let (_, commands) = commands.split_once("The server:").unwrap();
    for line in commands.lines().filter(|line| !line.is_empty()) {
        assert!(section.contains(&format!("\n    {line}\n")), "docs/license-server.md does not have: {line}");
    }
    assert_eq!(first_cells(section), exit_codes(&help), "docs/license-server.md (left), --help (right)");
}

#[test]
fn every_denial_of_the_license_server_is_documented() {
    use opterius_base::clock::Timestamp;
    use opterius_license_server::rules::{Denial, UNKNOWN_KEY};
    let ip = |text: &str| text.parse().unwrap();
    let denials = [
        Denial::Cancelled,
        Denial::Suspended,
        Denial::Expired(Timestamp::parse_rfc3339("2027-03-01T00:00:00Z").unwrap()),
        Denial::IpMismatch { locked: ip("203.0.113.5"), asking: ip("198.51.100.7") },
        Denial::KeptOut { ip: ip("198.51.100.7"), until: Timestamp::parse_rfc3339("2027-03-08T00:00:00Z").unwrap() },
        Denial::ServerLimit { active: 1, allowed: 1 },
    ];
    let mut denied: Vec<(&str, String)> = denials.iter().map(|denial| (denial.reason(), denial.message())).collect();
    denied.insert(0, (UNKNOWN_KEY.0, UNKNOWN_KEY.1.to_owned()));
    let document = read("docs/license-server.md");
    let documented: Vec<&str> =
        rows(section(&document, "## Verdicts")).filter(|line| !line.contains("`reason`")).collect();
    let expected: Vec<String> = denied.iter().map(|(reason, message)| format!("| `{reason}` | {message} |")).collect();
    assert_eq!(documented, expected);
}

// --------------------------------------------------------------------------------------------------------------------
// ARCHITECTURE.md.

#[test]
fn every_entry_point_of_the_architecture_exists() {
    let architecture = read("ARCHITECTURE.md");
    let mut checked = 0;
    for row in rows(section(&architecture, "## Entry points")) {
        let cells: Vec<&str> = row.split('|').collect();
        let code: String = quoted(cells[2]).map(read).collect();
        for function in quoted(cells[1]) {
            let name = function.rsplit("::").next().unwrap();
            let declared = ["(", "<"].iter().any(|next| code.contains(&format!("fn {name}{next}")));
            assert!(declared, "ARCHITECTURE.md: there is no fn {name} in{}", cells[2]);
            checked += 1;
        }
    }
    assert!(checked >= 5, "only {checked} entry points");
}

// --------------------------------------------------------------------------------------------------------------------
// All documents.

#[test]
fn every_file_that_a_document_names_exists() {
    let rooms = ["src/", "crates/", "tests/", "benches/", "examples/", "dist/", "docs/", "fuzz/", ".ci/"];
    for (document, text) in documents() {
        // In backticks, with a slash: `src/http/limits.rs`, `tests/it/hazards/`.
        for path in quoted(&text).filter(|text| rooms.iter().any(|room| text.starts_with(room))) {
            let path = path.split_whitespace().next().unwrap_or_default();
            assert!(root().join(path).exists(), "{document} names {path}, which does not exist");
        }
    }
}

/// As in `standing` (`crates/license/src/standing.rs`).
#[test]
fn every_item_that_a_document_places_in_a_file_is_there() {
    let mut checked = 0;
    for (document, text) in documents() {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (before, after) in text.match_indices("` (`").map(|(place, sign)| text.split_at(place + sign.len())) {
            let name = before.trim_end_matches("` (`").rsplit('`').next().unwrap();
            let path = after.split('`').next().unwrap();
            if path.ends_with(".rs") {
                let name = name.rsplit("::").next().unwrap();
                let code = read(path);
                let is_there = code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
                assert!(is_there, "{document} says that {path} has {name}");
                checked += 1;
            }
        }
    }
    assert!(checked > 0, "no item is named with its file");
}

/// `[text](path#heading)`, and pictures.
#[test]
fn every_link_to_a_local_file_leads_to_a_file_and_a_heading() {
    for (document, text) in documents() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let (path, heading) = link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
            let folder = Path::new(&document).parent().unwrap();
            let path = if path.is_empty() { PathBuf::from(&document) } else { folder.join(path) };
            assert!(root().join(&path).is_file(), "{document} links to {link}, which does not exist");
            if let Some(heading) = heading {
                let target = fs::read_to_string(root().join(&path)).unwrap();
                let has = target.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
                assert!(has, "{document} links to {link}, which has no such heading");
            }
        }
    }
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn the_readme_links_to_every_document() {
    let readme = read("README.md");
    for (document, _) in documents() {
        assert!(
            document == "README.md" || readme.contains(&format!("]({document})")),
            "README.md has no link to {document}"
        );
    }
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

/// The names of tests are sentences, so everything in backticks that looks like one is one.
#[test]
fn every_test_that_the_threat_model_names_exists() {
    let security = read("SECURITY.md");
    let files = ["src", "crates", "tests"].into_iter().flat_map(files_under);
    let code: String = files
        .filter(|path| path.extension().is_some_and(|name| name == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let is_sentence = |text: &&str| {
        text.matches('_').count() > 2
            && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let names: BTreeSet<&str> = quoted(&security).filter(is_sentence).collect();
    assert!(names.len() > 50, "only {} tests", names.len());
    for name in names {
        let is_test = ["", "    "].iter().any(|indent| code.contains(&format!("#[test]\n{indent}fn {name}() {{")));
        assert!(is_test, "there is no test {name}");
    }
}

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

/// All documents for people: their paths in the repository, and their texts.
fn documents() -> Vec<(String, String)> {
    let mut names: Vec<String> =
        ["README.md", "SECURITY.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned).into();
    let docs = files_under("docs").into_iter().filter(|path| path.extension().is_some_and(|name| name == "md"));
    names.extend(docs.map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()));
    assert!(names.len() > 10, "{names:?}");
    names.into_iter().map(|name| (name.clone(), read(&name))).collect()
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of a table whose first cell begins in backticks.
fn rows(section: &str) -> impl Iterator<Item = &str> {
    section.lines().filter(|line| line.starts_with("| `"))
}

/// The names in the first cells of a table.
fn names(section: &str) -> impl Iterator<Item = &str> {
    rows(section).filter_map(|row| row.split('`').nth(1))
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
