//! Error messages for mistyped commands and options, with suggestions.

use crate::commands::spec::{CommandSpec, GLOBAL_OPTIONS};
use crate::commands::specs;
use crate::commands::values::printable;
use opterius_daemon::near_miss::near_miss;

/// The minimum length of a prefix that is completed.
const MIN_PREFIX: usize = 3;

/// The message for an unknown command.
pub(super) fn no_command(first: &str, second: Option<&str>) -> String {
    let group: Vec<&'static str> =
        specs::all().filter(|spec| word(spec, 0) == first).filter_map(|spec| spec.words.get(1).copied()).collect();
    let Some(second) = second.filter(|_| !group.is_empty()) else {
        return if group.is_empty() {
            format!("unknown command “{}”{}", printable(first), question(&meant_by(first, second)))
        } else {
            format!("“{}” requires a subcommand: {}", printable(first), group.join(", "))
        };
    };
    let words = format!("{first} {second}");
    match meant(second, &group) {
        Some(known) => {
            format!("unknown command “{}”{}", printable(&words), question(&[format!("{first} {known}")]))
        }
        None => format!("unknown command “{}”. Available: {}", printable(&words), group.join(", ")),
    }
}

/// The message for an option, as typed, that `spec` does not have; without `spec`, that no command has.
pub(super) fn no_option(typed: &str, spec: Option<&CommandSpec>) -> String {
    let of_commands =
        specs::all().filter(|known| spec.is_none_or(|spec| spec == *known)).flat_map(CommandSpec::option_specs);
    let known: Vec<&'static str> = GLOBAL_OPTIONS.into_iter().chain(of_commands).map(|option| option.name).collect();
    let (name, is_long) = match typed.strip_prefix("--") {
        Some(name) => (name, true),
        None => (typed.trim_start_matches('-'), false),
    };
    // A single letter is too short for a suggestion.
    let meant = if name.chars().count() > 1 { meant(name, &known) } else { None };
    let error = format!("unknown option “{}”", printable(typed));
    match meant {
        Some(meant) if is_long => format!("{error}. Did you mean “--{meant}”?"),
        Some(meant) => format!("{error}. Use two hyphens: --{meant}"),
        None => error,
    }
}

/// The commands that were probably meant, if no command begins with the first word.
fn meant_by(first: &str, second: Option<&str>) -> Vec<String> {
    let names = |index: usize| specs::all().filter_map(|spec| spec.words.get(index).copied()).collect::<Vec<_>>();
    let (firsts, seconds) = (names(0), names(1));
    // `create license`, or `suspend 7`.
    let turned = |known: &str| -> Vec<String> {
        let all: Vec<_> = specs::all().filter(|spec| word(spec, 1) == known).collect();
        let group = second.and_then(|second| meant(second, &firsts));
        let own: Vec<_> = all.iter().copied().filter(|spec| Some(word(spec, 0)) == group).collect();
        let specs = if own.is_empty() { all } else { own };
        specs.into_iter().map(|spec| spec.words.join(" ")).collect()
    };
    if seconds.contains(&first) {
        return turned(first);
    }
    match (meant(first, &firsts), meant(first, &seconds)) {
        (Some(known), _) => vec![known.to_owned()],
        (None, Some(known)) => turned(known),
        (None, None) => Vec::new(),
    }
}

fn word(spec: &CommandSpec, index: usize) -> &'static str {
    spec.words.get(index).copied().unwrap_or_default()
}

fn question(meant: &[String]) -> String {
    let quoted: Vec<String> = meant.iter().map(|words| format!("“{words}”")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => format!(". Did you mean {only}?"),
        Some((last, others)) => format!(". Did you mean {} or {last}?", others.join(", ")),
    }
}

/// The known word that `typed` is close to or a prefix of.
fn meant(typed: &str, known: &[&'static str]) -> Option<&'static str> {
    let begins = |name: &&&'static str| typed.chars().count() >= MIN_PREFIX && name.starts_with(typed);
    known.iter().find(begins).copied().or_else(|| near_miss(typed, known))
}
