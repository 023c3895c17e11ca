//! Shell completions of both programs: generated from the tables of their `--help`, and tried in the shells.
//!
//! `UPDATE_COMPLETIONS=1 cargo test --test it completions::` rewrites the files in `dist/completions`.

use crate::support::TempDirectory;
use opterius_agent::cli::command_line::{COMMAND_LINE, HELP};
use opterius_daemon::completions::{CommandForm, CommandLine, ExplainedOption, bash, fish, zsh};
use opterius_license_server::commands::spec::{CommandSpec, GLOBAL_OPTIONS};
use opterius_license_server::commands::specs;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const AGENT: &str = "opterius-agent";
const LICENSE_SERVER: &str = "opterius-license-server";

#[test]
fn the_shipped_completions_are_those_of_the_tables() {
    let help = specs::help();
    let forms: Vec<CommandForm<'_>> = license_server_forms();
    let options = license_server_options(&help);
    let license_server = CommandLine { program: LICENSE_SERVER, forms: &forms, options: &options };
    for command_line in [COMMAND_LINE, license_server] {
        for (shell, script) in [("bash", bash::script as fn(&_) -> _), ("zsh", zsh::script), ("fish", fish::script)] {
            let (path, generated): (_, String) = (shipped(command_line.program, shell), script(&command_line));
            if std::env::var_os("UPDATE_COMPLETIONS").is_some() {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, &generated).unwrap();
            }
            let is_current = fs::read_to_string(&path).is_ok_and(|shipped| shipped == generated);
            let hint = "Run: UPDATE_COMPLETIONS=1 cargo test --test it completions::";
            assert!(is_current, "{} is out of date. {hint}", path.display());
        }
    }
}

fn license_server_forms() -> Vec<CommandForm<'static>> {
    let form = |spec: &'static CommandSpec| CommandForm {
        words: spec.words,
        operands: spec.operands,
        options: spec.options,
        about: spec.about,
    };
    specs::all().map(form).collect()
}

/// The options of every command with the explanations of the help.
fn license_server_options(help: &str) -> Vec<ExplainedOption<'_>> {
    let explained = GLOBAL_OPTIONS.iter().map(|option| {
        let start = format!("  --{} ", option.name);
        let line = help.lines().find(|line| line.starts_with(&start)).unwrap().trim();
        let (usage, about) = line.split_once("  ").unwrap();
        assert_eq!(usage.split_once(' ').map(|(_, value)| value), option.value, "{line}");
        ExplainedOption { usage, about: about.trim() }
    });
    explained.collect()
}

#[test]
fn the_packages_install_the_completions() {
    for (program, manifest) in [(AGENT, "Cargo.toml"), (LICENSE_SERVER, "crates/license-server/Cargo.toml")] {
        let manifest = fs::read_to_string(root().join(manifest)).unwrap();
        let up = if program == AGENT { "" } else { "../../" };
        for (shell, place) in [
            ("bash", format!("usr/share/bash-completion/completions/{program}")),
            ("zsh", format!("usr/share/zsh/vendor-completions/_{program}")),
            ("fish", format!("usr/share/fish/vendor_completions.d/{program}.fish")),
        ] {
            let asset = format!("[\"{up}dist/completions/{program}.{shell}\", \"{place}\", \"644\"]");
            assert!(manifest.contains(&asset), "no asset {asset}");
        }
    }
}

/// A command line up to the cursor, and what is offered there.
type Case = (&'static str, &'static str, &'static [&'static str]);

/// What bash and fish agree on.
const CASES: [Case; 12] = [
    (AGENT, "st", &["status"]),
    (AGENT, "", &["status", "doctor", "reverify", "operation"]),
    (AGENT, "--config agent.conf re", &["reverify"]),
    (AGENT, "status --j", &["--json"]),
    (AGENT, "--ch", &["--check-config"]),
    (AGENT, "operation ", &["adopt"]),
    (AGENT, "reverify --j", &[]),
    (LICENSE_SERVER, "license re", &["resume", "renew", "revoke"]),
    (LICENSE_SERVER, "license create --o", &["--owner"]),
    (LICENSE_SERVER, "license create --owner al --pl", &["--plan"]),
    (
        LICENSE_SERVER,
        "license set-billing 7 --",
        &["--status", "--period-end", "--cancel-at-period-end", "--config", "--help", "--version"],
    ),
    (LICENSE_SERVER, "license create --owner ", &[]),
];

/// The operands and values that are files, completed in a directory with the file `licenses.db`.
const FILE_CASES: [Case; 3] = [
    (AGENT, "--config lic", &["licenses.db"]),
    (LICENSE_SERVER, "backup lic", &["licenses.db"]),
    (LICENSE_SERVER, "license show lic", &[]),
];

#[test]
fn bash_offers_what_can_follow() {
    let directory = directory_with_file();
    for (program, line, expected) in CASES.into_iter().chain(FILE_CASES) {
        assert_offers(&bash_offers(program, line, directory.path()), expected, program, line);
    }
    // What the keyboard sends as one word, bash splits at the equals sign.
    assert_offers(&bash_offers(AGENT, "--config = lic", directory.path()), &["licenses.db"], AGENT, "--config=lic");
    assert_offers(&bash_offers(AGENT, "--config = x st", directory.path()), &["status"], AGENT, "--config=x st");
    assert_offers(&bash_offers(AGENT, "--config =", directory.path()), &["licenses.db"], AGENT, "--config=");
}

/// Calls the completion function as bash does when the cursor is at the end of the line.
fn bash_offers(program: &str, line: &str, directory: &Path) -> Vec<String> {
    let script = "source \"$1\"; COMP_WORDS=($2); [[ $2 == *' ' || ! $3 ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _${COMP_WORDS[0]//-/_}; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let whole = format!("{program} {line}");
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-uc", script, "bash"]).arg(shipped(program, "bash")).args([&whole, line]);
    lines(bash.current_dir(directory))
}

#[test]
fn fish_offers_what_can_follow() {
    let fish = installed("fish");
    let directory = directory_with_file();
    for (program, line, expected) in CASES.into_iter().chain(FILE_CASES) {
        let script = "source $argv[1]; complete -C \"$argv[2]\"";
        let mut command = Command::new(&fish);
        command.args(["--no-config", "-c", script]).arg(shipped(program, "fish")).arg(format!("{program} {line}"));
        let offers = lines(command.current_dir(directory.path()).env("HOME", directory.path()));
        let words: Vec<String> = offers.iter().map(|offer| offer.split('\t').next().unwrap().to_owned()).collect();
        assert_offers(&words, expected, program, line);
    }
}

#[test]
fn zsh_and_fish_parse_their_completions() {
    for shell in ["zsh", "fish"] {
        let path = installed(shell);
        for program in [AGENT, LICENSE_SERVER] {
            assert_eq!(lines(Command::new(&path).arg("-n").arg(shipped(program, shell))), [] as [String; 0]);
        }
    }
}

#[test]
fn every_explanation_of_the_help_is_in_the_completions() {
    let agent: Vec<&str> = COMMAND_LINE.forms.iter().skip(2).map(|form| form.about).collect();
    let license_server = license_server_forms().into_iter().map(|form| form.about).collect();
    for (program, abouts, help) in [(AGENT, agent, HELP.to_owned()), (LICENSE_SERVER, license_server, specs::help())] {
        for shell in ["zsh", "fish"] {
            let script = fs::read_to_string(shipped(program, shell)).unwrap().replace("'\\''", "'").replace("\\'", "'");
            for about in &abouts {
                assert!(help.contains(about) && script.contains(about), "{program}, {shell}: {about}");
            }
        }
    }
}

fn assert_offers(offers: &[String], expected: &[&str], program: &str, line: &str) {
    let sorted = |mut words: Vec<String>| {
        words.sort();
        words
    };
    let expected = expected.iter().map(|&word| word.to_owned()).collect();
    assert_eq!(sorted(offers.to_vec()), sorted(expected), "{program} {line}");
}

/// The lines that a shell prints; it must not complain.
fn lines(command: &mut Command) -> Vec<String> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{command:?}: {complaints}");
    String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// A test must not skip itself: a shell that is missing fails it.
fn installed(shell: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|place| place.join(shell));
    let missing = || panic!("{shell} is missing. Run: apt-get install -y zsh fish");
    places.find(|place| place.exists()).unwrap_or_else(missing)
}

fn directory_with_file() -> TempDirectory {
    let directory = TempDirectory::new();
    fs::write(directory.path().join("licenses.db"), "").unwrap();
    directory
}

fn shipped(program: &str, shell: &str) -> PathBuf {
    root().join("dist/completions").join(format!("{program}.{shell}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
