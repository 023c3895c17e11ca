//! Completion for zsh.

use super::{CommandLine, Flag, Position, is_file};

/// Words in capitals between `@` are replaced.
const TEMPLATE: &str = r#"
_@PROGRAM@() {
    local -a commands subcommands
    local index
    # The words before the cursor that are neither options nor values of options.
    for ((index = 2; index < CURRENT; index++)); do
        case $words[index] in
            (@VALUE_OPTIONS@) ((index++)) ;;
            (-*) ;;
            (*) commands+=($words[index]) ;;
        esac
    done
    case "$commands" in
@POSITIONS@    esac
}

_@PROGRAM@ "$@"
"#;

/// The completion script of a program.
pub fn script(command_line: &CommandLine<'_>) -> String {
    let names: Vec<&str> = command_line.flags_with_value().iter().map(|flag| flag.name).collect();
    let positions: String = command_line.positions().map(|position| after(&position)).collect();
    let body = TEMPLATE
        .replace("@PROGRAM@", command_line.program)
        .replace("@VALUE_OPTIONS@", &names.join("|"))
        .replace("@POSITIONS@", &positions);
    format!("#compdef {}\n{}{body}", command_line.program, command_line.first_line("Zsh"))
}

/// What to offer after the words of a position.
fn after(position: &Position<'_>) -> String {
    let words = position.words.join(" ");
    let pattern = if position.operands.is_empty() { quoted(&words) } else { format!("{0}|{0}\\ *", quoted(&words)) };
    let mut arguments: Vec<String> = position.flags.iter().map(option).collect();
    // The words that are there already.
    arguments.extend((1..=position.words.len()).map(|place| quoted(&format!("{place}: : "))));
    let next = position.words.len().saturating_add(1);
    let mut text = format!("        ({pattern})\n");
    if position.subcommands.is_empty() {
        arguments.extend(position.operands.iter().zip(next..).map(|(name, place)| operand(name, place)));
    } else {
        text.push_str("            subcommands=(\n");
        for subcommand in &position.subcommands {
            let entry = quoted(&format!("{}:{}", subcommand.word, subcommand.about));
            text.push_str(&format!("                {entry}\n"));
        }
        text.push_str("            )\n");
        arguments.push(quoted(&format!("{next}: :{{_describe command subcommands}}")));
    }
    let arguments: Vec<String> = arguments.iter().map(|argument| format!(" \\\n                {argument}")).collect();
    text.push_str(&format!("            _arguments{}\n            ;;\n", arguments.concat()));
    text
}

fn option(flag: &Flag<'_>) -> String {
    let about = flag.about.replace('[', "\\[").replace(']', "\\]");
    quoted(&match flag.value {
        None => format!("{}[{about}]", flag.name),
        Some(value) => format!("{}=[{about}]:{value}:{}", flag.name, action(value)),
    })
}

fn operand(name: &str, place: usize) -> String {
    let colons = if name.starts_with('[') { "::" } else { ":" };
    let name = name.trim_matches(['[', ']']);
    quoted(&format!("{place}{colons}{name}:{}", action(name)))
}

/// How to complete a value: a single space shows its name only.
fn action(value: &str) -> &'static str {
    if is_file(value) { "_files" } else { " " }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
