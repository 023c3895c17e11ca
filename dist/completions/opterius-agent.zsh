#compdef opterius-agent
# Zsh completion for opterius-agent, generated from the table that its --help is made of.

_opterius-agent() {
    local -a commands subcommands
    local index
    # The words before the cursor that are neither options nor values of options.
    for ((index = 2; index < CURRENT; index++)); do
        case $words[index] in
            (--config) ((index++)) ;;
            (-*) ;;
            (*) commands+=($words[index]) ;;
        esac
    done
    case "$commands" in
        ('')
            subcommands=(
                'status:show the license status of the running daemon'
                'doctor:diagnose problems and suggest fixes'
                'reverify:verify the license now and show the result'
                'operation:run the host operation read from stdin, as the helper does'
            )
            _arguments \
                '--check-config[check the configuration file and report the first error]' \
                '--config=[the configuration file (default: /etc/opterius/agent.conf)]:PATH:_files' \
                '--version[print the version]' \
                '--help[print this help]' \
                '1: :{_describe command subcommands}'
            ;;
        ('status')
            _arguments \
                '--json[print JSON: the status as the daemon returns it, or the doctor'\''s findings]' \
                '--config=[the configuration file (default: /etc/opterius/agent.conf)]:PATH:_files' \
                '--version[print the version]' \
                '--help[print this help]' \
                '1: : '
            ;;
        ('doctor')
            _arguments \
                '--json[print JSON: the status as the daemon returns it, or the doctor'\''s findings]' \
                '--config=[the configuration file (default: /etc/opterius/agent.conf)]:PATH:_files' \
                '--version[print the version]' \
                '--help[print this help]' \
                '1: : '
            ;;
        ('reverify')
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/agent.conf)]:PATH:_files' \
                '--version[print the version]' \
                '--help[print this help]' \
                '1: : '
            ;;
        ('operation')
            subcommands=(
                'adopt:adopt existing accounts'
            )
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/agent.conf)]:PATH:_files' \
                '--version[print the version]' \
                '--help[print this help]' \
                '1: : ' \
                '2: :{_describe command subcommands}'
            ;;
        ('operation adopt')
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/agent.conf)]:PATH:_files' \
                '--version[print the version]' \
                '--help[print this help]' \
                '1: : ' \
                '2: : '
            ;;
    esac
}

_opterius-agent "$@"
