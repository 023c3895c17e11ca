//! Completion for fish.

use super::{CommandLine, Flag, Position, is_file};

/// Words in capitals between `@` are replaced.
const TEMPLATE: &str = r#"
# Prints the words before the cursor that are neither options nor values of options.
function __@NAME@_command
    set -l tokens (commandline -opc)
    set -e tokens[1]
    set -l words
    set -l is_value no
    for token in $tokens
        if test $is_value = yes
            set is_value no
            continue
        end
        switch $token
            case @VALUE_OPTIONS@
                set is_value yes
            case '-*'
            case '*'
                set -a words $token
        end
    end
    echo "$words"
end

# Whether exactly these words precede the cursor.
function __@NAME@_at
    test (__@NAME@_command) = "$argv"
end

# Whether these words, and perhaps operands, precede the cursor.
function __@NAME@_in
    string match -q -- "$argv *" (__@NAME@_command)' '
end

complete -c @PROGRAM@ -f
"#;

/// The completion script of a program.
pub fn script(command_line: &CommandLine<'_>) -> String {
    let names: Vec<&str> = command_line.flags_with_value().iter().map(|flag| flag.name).collect();
    let functions = TEMPLATE
        .replace("@NAME@", &command_line.identifier())
        .replace("@PROGRAM@", command_line.program)
        .replace("@VALUE_OPTIONS@", &names.join(" "));
    let common: Vec<Flag<'_>> = command_line.common_flags().collect();
    let mut text = command_line.first_line("Fish") + &functions;
    for flag in &common {
        text.push_str(&format!("complete -c {} {}\n", command_line.program, option(flag)));
    }
    for position in command_line.positions() {
        text.push_str(&after(command_line, &position, &common));
    }
    text
}

/// What to offer after the words of a position.
fn after(command_line: &CommandLine<'_>, position: &Position<'_>, common: &[Flag<'_>]) -> String {
    let condition = |kind: &str| {
        let words: String = position.words.iter().map(|word| format!(" {word}")).collect();
        format!("complete -c {} -n '__{}_{kind}{words}'", command_line.program, command_line.identifier())
    };
    let mut text = String::new();
    for subcommand in &position.subcommands {
        text.push_str(&format!("{} -a {} -d {}\n", condition("at"), subcommand.word, quoted(&subcommand.about)));
    }
    if position.takes_file() {
        text.push_str(&format!("{} -F\n", condition("at")));
    }
    let kind = if position.words.is_empty() { "at" } else { "in" };
    for flag in position.flags.iter().filter(|flag| !common.contains(flag)) {
        text.push_str(&format!("{} {}\n", condition(kind), option(flag)));
    }
    text
}

fn option(flag: &Flag<'_>) -> String {
    let value = match flag.value {
        None => "",
        Some(value) if is_file(value) => " -r -F",
        Some(_) => " -x",
    };
    let about = if flag.about.is_empty() { String::new() } else { format!(" -d {}", quoted(flag.about)) };
    format!("-l {}{value}{about}", flag.name.trim_start_matches('-'))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
