//! Completion for bash, without the functions of the package bash-completion.

use super::{CommandLine, Flag, Position, is_file};

/// Words in capitals between `@` are replaced. Bash splits `--option=value` into three words.
const TEMPLATE: &str = r#"
@FUNCTION@() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local index word command= words= options= files=
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    # The words before the cursor that are neither options nor values of options.
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        case $word in
            @VALUE_OPTIONS@)
                [[ ${COMP_WORDS[index + 1]} == = ]] && ((index++))
                ((index++))
                ;;
            -*) ;;
            *) command+="$word " ;;
        esac
    done
    case $command in
@POSITIONS@    esac
    case $previous in
@VALUES@    esac
    [[ $current == -* ]] && words=$options files=
    COMPREPLY=()
    if [[ $files ]]; then
        # It fails outside of a completion.
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    fi
}

complete -F @FUNCTION@ @PROGRAM@
"#;

/// The completion script of a program.
pub fn script(command_line: &CommandLine<'_>) -> String {
    let flags = command_line.flags_with_value();
    let (files, others): (Vec<Flag<'_>>, Vec<Flag<'_>>) =
        flags.iter().partition(|flag| flag.value.is_some_and(is_file));
    // A value can begin with a hyphen, so no options are offered in its place.
    let values = arm(&names(&files), "options= files=yes") + &arm(&names(&others), "options= words= files=");
    let positions: String = command_line.positions().map(|position| after(&position)).collect();
    let body = TEMPLATE
        .replace("@FUNCTION@", &format!("_{}", command_line.identifier()))
        .replace("@PROGRAM@", command_line.program)
        .replace("@VALUE_OPTIONS@", &names(&flags))
        .replace("@POSITIONS@", &positions)
        .replace("@VALUES@", &values);
    command_line.first_line("Bash") + &body
}

fn names(flags: &[Flag<'_>]) -> String {
    flags.iter().map(|flag| flag.name).collect::<Vec<_>>().join(" | ")
}

/// A pattern of a `case` with its commands; nothing without a pattern.
fn arm(pattern: &str, commands: &str) -> String {
    if pattern.is_empty() { String::new() } else { format!("        {pattern}) {commands} ;;\n") }
}

/// What to offer after the words of a position: subcommands, files for an operand, or options.
fn after(position: &Position<'_>) -> String {
    let words: String = position.words.iter().map(|word| format!("{word} ")).collect();
    let pattern = format!("\"{words}\"");
    let options: Vec<&str> = position.flags.iter().map(|flag| flag.name).collect();
    let options = format!("options=\"{}\"", options.join(" "));
    if !position.subcommands.is_empty() {
        let subcommands: Vec<&str> = position.subcommands.iter().map(|subcommand| subcommand.word).collect();
        return arm(&pattern, &format!("words=\"{}\" {options}", subcommands.join(" ")));
    }
    let offer_options = format!("{options} words=$options");
    if position.operands.is_empty() {
        return arm(&pattern, &offer_options);
    }
    let first = if position.takes_file() { format!("{options} files=yes") } else { options };
    arm(&pattern, &first) + &arm(&format!("{pattern}*"), &offer_options)
}
