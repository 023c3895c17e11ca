# Fish completion for opterius-agent, generated from the table that its --help is made of.

# Prints the words before the cursor that are neither options nor values of options.
function __opterius_agent_command
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
            case --config
                set is_value yes
            case '-*'
            case '*'
                set -a words $token
        end
    end
    echo "$words"
end

# Whether exactly these words precede the cursor.
function __opterius_agent_at
    test (__opterius_agent_command) = "$argv"
end

# Whether these words, and perhaps operands, precede the cursor.
function __opterius_agent_in
    string match -q -- "$argv *" (__opterius_agent_command)' '
end

complete -c opterius-agent -f
complete -c opterius-agent -l config -r -F -d 'the configuration file (default: /etc/opterius/agent.conf)'
complete -c opterius-agent -l version -d 'print the version'
complete -c opterius-agent -l help -d 'print this help'
complete -c opterius-agent -n '__opterius_agent_at' -a status -d 'show the license status of the running daemon'
complete -c opterius-agent -n '__opterius_agent_at' -a doctor -d 'diagnose problems and suggest fixes'
complete -c opterius-agent -n '__opterius_agent_at' -a reverify -d 'verify the license now and show the result'
complete -c opterius-agent -n '__opterius_agent_at' -a operation -d 'run the host operation read from stdin, as the helper does'
complete -c opterius-agent -n '__opterius_agent_at' -l check-config -d 'check the configuration file and report the first error'
complete -c opterius-agent -n '__opterius_agent_in status' -l json -d 'print JSON: the status as the daemon returns it, or the doctor\'s findings'
complete -c opterius-agent -n '__opterius_agent_in doctor' -l json -d 'print JSON: the status as the daemon returns it, or the doctor\'s findings'
complete -c opterius-agent -n '__opterius_agent_at operation' -a adopt -d 'adopt existing accounts'
