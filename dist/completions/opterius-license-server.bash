# Bash completion for opterius-license-server, generated from the table that its --help is made of.

_opterius_license_server() {
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
            --config | --every | --keep | --undecided | --from | --to | --from-config | --to-config | --owner | --plan | --expires | --lock-ip | --reference | --standing | --expires-before | --server-ip | --hostname | --label | --search | --limit | --cursor | --reason | --until | --add | --basis | --block | --status | --period-end | --title | --max-accounts | --max-servers | --display-name | --mail | --name | --role | --transfer-to | --scopes | --networks | --events)
                [[ ${COMP_WORDS[index + 1]} == = ]] && ((index++))
                ((index++))
                ;;
            -*) ;;
            *) command+="$word " ;;
        esac
    done
    case $command in
        "") words="init serve deliver check stats backup restore move license history plan user token webhook keys" options="--config --help --version" ;;
        "init ") options="--config --help --version" words=$options ;;
        "serve ") options="--config --help --version" words=$options ;;
        "deliver ") options="--config --help --version" words=$options ;;
        "check ") options="--json --config --help --version" words=$options ;;
        "stats ") options="--json --config --help --version" words=$options ;;
        "backup ") options="--every --keep --config --help --version" files=yes ;;
        "backup "*) options="--every --keep --config --help --version" words=$options ;;
        "restore ") options="--undecided --yes --config --help --version" files=yes ;;
        "restore "*) options="--undecided --yes --config --help --version" words=$options ;;
        "move ") options="--from --to --from-config --to-config --config --help --version" words=$options ;;
        "license ") words="create list show suspend resume cancel delete renew set-plan lock-ip unlock-ip transfer set-reference set-note set-labels set-trial revoke unblock move set-billing" options="--config --help --version" ;;
        "license create ") options="--owner --plan --expires --lock-ip --reference --trial --json --config --help --version" words=$options ;;
        "license list ") options="--reference --owner --plan --standing --expires-before --server-ip --hostname --label --over-limit --never-used --trial --search --limit --cursor --all --json --config --help --version" words=$options ;;
        "license show ") options="--reveal-key --json --config --help --version" ;;
        "license show "*) options="--reveal-key --json --config --help --version" words=$options ;;
        "license suspend ") options="--reason --config --help --version" ;;
        "license suspend "*) options="--reason --config --help --version" words=$options ;;
        "license resume ") options="--config --help --version" ;;
        "license resume "*) options="--config --help --version" words=$options ;;
        "license cancel ") options="--config --help --version" ;;
        "license cancel "*) options="--config --help --version" words=$options ;;
        "license delete ") options="--yes --config --help --version" ;;
        "license delete "*) options="--yes --config --help --version" words=$options ;;
        "license renew ") options="--until --add --basis --config --help --version" ;;
        "license renew "*) options="--until --add --basis --config --help --version" words=$options ;;
        "license set-plan ") options="--config --help --version" ;;
        "license set-plan "*) options="--config --help --version" words=$options ;;
        "license lock-ip ") options="--config --help --version" ;;
        "license lock-ip "*) options="--config --help --version" words=$options ;;
        "license unlock-ip ") options="--config --help --version" ;;
        "license unlock-ip "*) options="--config --help --version" words=$options ;;
        "license transfer ") options="--config --help --version" ;;
        "license transfer "*) options="--config --help --version" words=$options ;;
        "license set-reference ") options="--config --help --version" ;;
        "license set-reference "*) options="--config --help --version" words=$options ;;
        "license set-note ") options="--config --help --version" ;;
        "license set-note "*) options="--config --help --version" words=$options ;;
        "license set-labels ") options="--config --help --version" ;;
        "license set-labels "*) options="--config --help --version" words=$options ;;
        "license set-trial ") options="--config --help --version" ;;
        "license set-trial "*) options="--config --help --version" words=$options ;;
        "license revoke ") options="--block --config --help --version" ;;
        "license revoke "*) options="--block --config --help --version" words=$options ;;
        "license unblock ") options="--config --help --version" ;;
        "license unblock "*) options="--config --help --version" words=$options ;;
        "license move ") options="--config --help --version" ;;
        "license move "*) options="--config --help --version" words=$options ;;
        "license set-billing ") options="--status --period-end --cancel-at-period-end --config --help --version" ;;
        "license set-billing "*) options="--status --period-end --cancel-at-period-end --config --help --version" words=$options ;;
        "history ") options="--all --json --config --help --version" ;;
        "history "*) options="--all --json --config --help --version" words=$options ;;
        "plan ") words="list set" options="--config --help --version" ;;
        "plan list ") options="--json --config --help --version" words=$options ;;
        "plan set ") options="--title --max-accounts --max-servers --yes --config --help --version" ;;
        "plan set "*) options="--title --max-accounts --max-servers --yes --config --help --version" words=$options ;;
        "user ") words="list show add set passwd invite reset reset-second-factor sessions sign-out disable enable delete" options="--config --help --version" ;;
        "user list ") options="--json --config --help --version" words=$options ;;
        "user show ") options="--json --config --help --version" ;;
        "user show "*) options="--json --config --help --version" words=$options ;;
        "user add ") options="--administrator --display-name --mail --invite --no-mail --json --config --help --version" ;;
        "user add "*) options="--administrator --display-name --mail --invite --no-mail --json --config --help --version" words=$options ;;
        "user set ") options="--name --display-name --mail --role --config --help --version" ;;
        "user set "*) options="--name --display-name --mail --role --config --help --version" words=$options ;;
        "user passwd ") options="--config --help --version" ;;
        "user passwd "*) options="--config --help --version" words=$options ;;
        "user invite ") options="--no-mail --json --config --help --version" ;;
        "user invite "*) options="--no-mail --json --config --help --version" words=$options ;;
        "user reset ") options="--no-mail --json --config --help --version" ;;
        "user reset "*) options="--no-mail --json --config --help --version" words=$options ;;
        "user reset-second-factor ") options="--config --help --version" ;;
        "user reset-second-factor "*) options="--config --help --version" words=$options ;;
        "user sessions ") options="--json --config --help --version" ;;
        "user sessions "*) options="--json --config --help --version" words=$options ;;
        "user sign-out ") options="--config --help --version" ;;
        "user sign-out "*) options="--config --help --version" words=$options ;;
        "user disable ") options="--config --help --version" ;;
        "user disable "*) options="--config --help --version" words=$options ;;
        "user enable ") options="--config --help --version" ;;
        "user enable "*) options="--config --help --version" words=$options ;;
        "user delete ") options="--transfer-to --yes --config --help --version" ;;
        "user delete "*) options="--transfer-to --yes --config --help --version" words=$options ;;
        "token ") words="add list revoke" options="--config --help --version" ;;
        "token add ") options="--scopes --expires --networks --json --config --help --version" ;;
        "token add "*) options="--scopes --expires --networks --json --config --help --version" words=$options ;;
        "token list ") options="--json --config --help --version" words=$options ;;
        "token revoke ") options="--config --help --version" ;;
        "token revoke "*) options="--config --help --version" words=$options ;;
        "webhook ") words="add list show remove rotate test replay" options="--config --help --version" ;;
        "webhook add ") options="--events --json --config --help --version" ;;
        "webhook add "*) options="--events --json --config --help --version" words=$options ;;
        "webhook list ") options="--json --config --help --version" words=$options ;;
        "webhook show ") options="--json --config --help --version" ;;
        "webhook show "*) options="--json --config --help --version" words=$options ;;
        "webhook remove ") options="--config --help --version" ;;
        "webhook remove "*) options="--config --help --version" words=$options ;;
        "webhook rotate ") options="--json --config --help --version" ;;
        "webhook rotate "*) options="--json --config --help --version" words=$options ;;
        "webhook test ") options="--config --help --version" ;;
        "webhook test "*) options="--config --help --version" words=$options ;;
        "webhook replay ") options="--config --help --version" ;;
        "webhook replay "*) options="--config --help --version" words=$options ;;
        "keys ") words="show rotate retire" options="--config --help --version" ;;
        "keys show ") options="--json --config --help --version" words=$options ;;
        "keys rotate ") options="--json --config --help --version" words=$options ;;
        "keys retire ") options="--force --json --config --help --version" words=$options ;;
    esac
    case $previous in
        --config | --from-config | --to-config) options= files=yes ;;
        --every | --keep | --undecided | --from | --to | --owner | --plan | --expires | --lock-ip | --reference | --standing | --expires-before | --server-ip | --hostname | --label | --search | --limit | --cursor | --reason | --until | --add | --basis | --block | --status | --period-end | --title | --max-accounts | --max-servers | --display-name | --mail | --name | --role | --transfer-to | --scopes | --networks | --events) options= words= files= ;;
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

complete -F _opterius_license_server opterius-license-server
