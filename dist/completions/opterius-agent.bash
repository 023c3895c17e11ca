# Bash completion for opterius-agent, generated from the table that its --help is made of.

_opterius_agent() {
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
            --config)
                [[ ${COMP_WORDS[index + 1]} == = ]] && ((index++))
                ((index++))
                ;;
            -*) ;;
            *) command+="$word " ;;
        esac
    done
    case $command in
        "") words="status doctor reverify operation" options="--check-config --config --version --help" ;;
        "status ") options="--json --config --version --help" words=$options ;;
        "doctor ") options="--json --config --version --help" words=$options ;;
        "reverify ") options="--config --version --help" words=$options ;;
        "operation ") words="adopt" options="--config --version --help" ;;
        "operation adopt ") options="--config --version --help" words=$options ;;
    esac
    case $previous in
        --config) options= files=yes ;;
    esac
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

complete -F _opterius_agent opterius-agent
