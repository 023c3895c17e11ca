# Fish completion for opterius-license-server, generated from the table that its --help is made of.

# Prints the words before the cursor that are neither options nor values of options.
function __opterius_license_server_command
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
            case --config --owner --plan --expires --lock-ip --search --until --status --period-end --title --max-accounts --max-servers
                set is_value yes
            case '-*'
            case '*'
                set -a words $token
        end
    end
    echo "$words"
end

# Whether exactly these words precede the cursor.
function __opterius_license_server_at
    test (__opterius_license_server_command) = "$argv"
end

# Whether these words, and perhaps operands, precede the cursor.
function __opterius_license_server_in
    string match -q -- "$argv *" (__opterius_license_server_command)' '
end

complete -c opterius-license-server -f
complete -c opterius-license-server -l config -r -F -d 'the settings (default: /etc/opterius/license-server.conf)'
complete -c opterius-license-server -l help -d 'print this help, or the help of one command: COMMAND --help'
complete -c opterius-license-server -l version -d 'print the version'
complete -c opterius-license-server -n '__opterius_license_server_at' -a init -d 'make the database and the signing key; nothing is ever overwritten'
complete -c opterius-license-server -n '__opterius_license_server_at' -a serve -d 'run the license server in the foreground'
complete -c opterius-license-server -n '__opterius_license_server_at' -a check -d 'check settings, database and keys, and name what is wrong'
complete -c opterius-license-server -n '__opterius_license_server_at' -a backup -d 'copy the database, of one moment, to a new file; also while serve runs'
complete -c opterius-license-server -n '__opterius_license_server_at' -a license -d 'create, list, show, suspend, resume, cancel, delete, renew, set-plan, lock-ip, unlock-ip, revoke, move, set-billing'
complete -c opterius-license-server -n '__opterius_license_server_at' -a history -d 'the latest 50 changes of a license or of everything, or all of them'
complete -c opterius-license-server -n '__opterius_license_server_at' -a plan -d 'list, set'
complete -c opterius-license-server -n '__opterius_license_server_at' -a user -d 'list, add, passwd'
complete -c opterius-license-server -n '__opterius_license_server_at' -a keys -d 'show, rotate, retire'
complete -c opterius-license-server -n '__opterius_license_server_in check' -l json
complete -c opterius-license-server -n '__opterius_license_server_at backup' -F
complete -c opterius-license-server -n '__opterius_license_server_at license' -a create -d 'make a license and print its number and its key'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a list -d 'the newest 50 licenses, or all; TEXT is a number, the beginning of a key, or an owner'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a show -d 'one license with its servers and its latest history'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a suspend -d 'no use for now'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a resume -d 'use again, after a suspension or a cancellation'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a cancel -d 'no use any more'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a delete -d 'delete it with its activations; its history stays'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a renew -d 'set when it ends; DATE may be never'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a set-plan -d 'give it another plan'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a lock-ip -d 'allow its use at this address alone'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a unlock-ip -d 'allow its use at any address'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a revoke -d 'free the slot of a server'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a move -d 'give the slot or the lock of an address to another'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a set-billing -d 'set what Panels show: active, past_due, trialing, canceled or none'
complete -c opterius-license-server -n '__opterius_license_server_in license create' -l owner -x -d 'NAME'
complete -c opterius-license-server -n '__opterius_license_server_in license create' -l plan -x -d 'SLUG'
complete -c opterius-license-server -n '__opterius_license_server_in license create' -l expires -x -d 'DATE'
complete -c opterius-license-server -n '__opterius_license_server_in license create' -l lock-ip -x -d 'IP'
complete -c opterius-license-server -n '__opterius_license_server_in license create' -l json
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l owner -x -d 'NAME'
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l search -x -d 'TEXT'
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l all
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l json
complete -c opterius-license-server -n '__opterius_license_server_in license show' -l reveal-key
complete -c opterius-license-server -n '__opterius_license_server_in license show' -l json
complete -c opterius-license-server -n '__opterius_license_server_in license delete' -l yes
complete -c opterius-license-server -n '__opterius_license_server_in license renew' -l until -x -d 'DATE'
complete -c opterius-license-server -n '__opterius_license_server_in license set-billing' -l status -x -d 'STATUS'
complete -c opterius-license-server -n '__opterius_license_server_in license set-billing' -l period-end -x -d 'DATE'
complete -c opterius-license-server -n '__opterius_license_server_in license set-billing' -l cancel-at-period-end
complete -c opterius-license-server -n '__opterius_license_server_in history' -l all
complete -c opterius-license-server -n '__opterius_license_server_in history' -l json
complete -c opterius-license-server -n '__opterius_license_server_at plan' -a list -d 'what the plans allow'
complete -c opterius-license-server -n '__opterius_license_server_at plan' -a set -d 'make a plan or change it, for all its licenses at once; 0 is unlimited'
complete -c opterius-license-server -n '__opterius_license_server_in plan list' -l json
complete -c opterius-license-server -n '__opterius_license_server_in plan set' -l title -x -d 'NAME'
complete -c opterius-license-server -n '__opterius_license_server_in plan set' -l max-accounts -x -d 'N'
complete -c opterius-license-server -n '__opterius_license_server_in plan set' -l max-servers -x -d 'N'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a list -d 'who may sign in to the dashboard'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a add -d 'make a user; asks for the password, or reads it from stdin'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a passwd -d 'set a user\'s password and end the user\'s sessions'
complete -c opterius-license-server -n '__opterius_license_server_in user list' -l json
complete -c opterius-license-server -n '__opterius_license_server_in user add' -l administrator
complete -c opterius-license-server -n '__opterius_license_server_at keys' -a show -d 'the public keys, and their line for agent.conf'
complete -c opterius-license-server -n '__opterius_license_server_at keys' -a rotate -d 'add a new key; answers are signed with both from then on'
complete -c opterius-license-server -n '__opterius_license_server_at keys' -a retire -d 'end the old key, 30 days after rotate at the earliest'
complete -c opterius-license-server -n '__opterius_license_server_in keys show' -l json
complete -c opterius-license-server -n '__opterius_license_server_in keys rotate' -l json
complete -c opterius-license-server -n '__opterius_license_server_in keys retire' -l force
complete -c opterius-license-server -n '__opterius_license_server_in keys retire' -l json
