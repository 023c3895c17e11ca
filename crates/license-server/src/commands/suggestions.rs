//! Slips of the finger: what is told of a word or an option that there is not, and what was probably meant.

use crate::commands::spec::{CommandSpec, GLOBAL_OPTIONS};
use crate::commands::specs;
use crate::commands::values::printable;
use opterius_daemon::near_miss::near_miss;

/// Fewer letters than this are the beginning of too much.
const BEGINNING: usize = 3;

/// What is told when no command has these first words.
pub(super) fn no_command(first: &str, second: Option<&str>) -> String {
    let group: Vec<&'static str> =
        specs::all().filter(|spec| word(spec, 0) == first).filter_map(|spec| spec.words.get(1).copied()).collect();
    let Some(second) = second.filter(|_| !group.is_empty()) else {
        return if group.is_empty() {
            format!("there is no command “{}”{}", printable(first), question(&meant_by(first, second)))
        } else {
            format!("“{}” needs one of these after it: {}", printable(first), group.join(", "))
        };
    };
    let words = format!("{first} {second}");
    match meant(second, &group) {
        Some(known) => {
            format!("there is no command “{}”{}", printable(&words), question(&[format!("{first} {known}")]))
        }
        None => format!("there is no command “{}”; there are: {}", printable(&words), group.join(", ")),
    }
}

/// What is told of an option, written as it was typed, that `spec` does not have; without a form, none has it.
pub(super) fn no_option(typed: &str, spec: Option<&CommandSpec>) -> String {
    let of_forms =
        specs::all().filter(|known| spec.is_none_or(|spec| spec == *known)).flat_map(CommandSpec::option_specs);
    let known: Vec<&'static str> = GLOBAL_OPTIONS.into_iter().chain(of_forms).map(|option| option.name).collect();
    let (name, is_long) = match typed.strip_prefix("--") {
        Some(name) => (name, true),
        None => (typed.trim_start_matches('-'), false),
    };
    // One letter is near to nothing.
    let meant = if name.chars().count() > 1 { meant(name, &known) } else { None };
    let told = format!("there is no option “{}”", printable(typed));
    match meant {
        Some(meant) if is_long => format!("{told}. Did you mean “--{meant}”?"),
        Some(meant) => format!("{told}: options begin with two hyphens: --{meant}"),
        None => told,
    }
}

/// The commands that may be meant by words of which the first begins no command.
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

/// Which of the known words is a letter or two away, or begins so.
fn meant(typed: &str, known: &[&'static str]) -> Option<&'static str> {
    let begins = |name: &&&'static str| typed.chars().count() >= BEGINNING && name.starts_with(typed);
    near_miss(typed, known).or_else(|| known.iter().find(begins).copied())
}
