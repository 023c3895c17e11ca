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
            case --config --every --keep --undecided --from --to --from-config --to-config --owner --plan --expires --lock-ip --reference --standing --expires-before --server-ip --hostname --label --search --limit --cursor --reason --until --add --basis --block --status --period-end --title --max-accounts --max-servers --display-name --mail --name --role --transfer-to --scopes --networks --events
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
complete -c opterius-license-server -l config -r -F -d 'the configuration file (default: /etc/opterius/license-server.conf)'
complete -c opterius-license-server -l help -d 'print this help; COMMAND --help prints the help of one command'
complete -c opterius-license-server -l version -d 'print the version'
complete -c opterius-license-server -n '__opterius_license_server_at' -a init -d 'create the database and the signing key; never overwrites anything'
complete -c opterius-license-server -n '__opterius_license_server_at' -a serve -d 'run the license server in the foreground'
complete -c opterius-license-server -n '__opterius_license_server_at' -a deliver -d 'send events to webhooks, in the foreground, beside serve'
complete -c opterius-license-server -n '__opterius_license_server_at' -a check -d 'check configuration, files, database and keys, and report problems'
complete -c opterius-license-server -n '__opterius_license_server_at' -a stats -d 'count licenses, servers and verifications, like the overview page of the dashboard'
complete -c opterius-license-server -n '__opterius_license_server_at' -a backup -d 'write a copy of the database to a new file; with --every (6h, 1d), to a directory if a copy is due there'
complete -c opterius-license-server -n '__opterius_license_server_at' -a restore -d 'replace the database with a backup; unknown keys get 503 instead of a refusal for TIME (48h)'
complete -c opterius-license-server -n '__opterius_license_server_at' -a move -d 'copy a database that is not in use to an empty one of either engine, and compare both'
complete -c opterius-license-server -n '__opterius_license_server_at' -a license -d 'create, list, show, suspend, resume, cancel, delete, renew, set-plan, lock-ip, unlock-ip, transfer, set-reference, set-note, set-labels, set-trial, revoke, unblock, move, set-billing'
complete -c opterius-license-server -n '__opterius_license_server_at' -a history -d 'show the latest 50 changes, or all; of one license or of everything'
complete -c opterius-license-server -n '__opterius_license_server_at' -a plan -d 'list, set'
complete -c opterius-license-server -n '__opterius_license_server_at' -a user -d 'list, show, add, set, passwd, invite, reset, reset-second-factor, sessions, sign-out, disable, enable, delete'
complete -c opterius-license-server -n '__opterius_license_server_at' -a token -d 'add, list, revoke'
complete -c opterius-license-server -n '__opterius_license_server_at' -a webhook -d 'add, list, show, remove, rotate, test, replay'
complete -c opterius-license-server -n '__opterius_license_server_at' -a keys -d 'show, rotate, retire'
complete -c opterius-license-server -n '__opterius_license_server_in check' -l json
complete -c opterius-license-server -n '__opterius_license_server_in stats' -l json
complete -c opterius-license-server -n '__opterius_license_server_at backup' -F
complete -c opterius-license-server -n '__opterius_license_server_in backup' -l every -x -d 'TIME'
complete -c opterius-license-server -n '__opterius_license_server_in backup' -l keep -x -d 'N'
complete -c opterius-license-server -n '__opterius_license_server_at restore' -F
complete -c opterius-license-server -n '__opterius_license_server_in restore' -l undecided -x -d 'TIME'
complete -c opterius-license-server -n '__opterius_license_server_in restore' -l yes
complete -c opterius-license-server -n '__opterius_license_server_in move' -l from -x -d 'DATABASE'
complete -c opterius-license-server -n '__opterius_license_server_in move' -l to -x -d 'DATABASE'
complete -c opterius-license-server -n '__opterius_license_server_in move' -l from-config -r -F -d 'FILE'
complete -c opterius-license-server -n '__opterius_license_server_in move' -l to-config -r -F -d 'FILE'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a create -d 'create a license and print its number and key'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a list -d 'list the newest 50 licenses that pass all filters, or N, or all; CURSOR continues a list'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a show -d 'show a license with its servers, the refused ones and its latest history'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a suspend -d 'suspend the license; if it is suspended, change the reason'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a resume -d 'resume the license after a suspension or cancellation'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a cancel -d 'cancel the license'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a delete -d 'delete the license and its activations; its history is kept'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a renew -d 'set the expiry, which can be never; or add time, which begins at the expiry, or now if that has passed'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a set-plan -d 'change the plan'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a lock-ip -d 'lock the license to an IP address'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a unlock-ip -d 'allow any IP address again'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a transfer -d 'give the license to another user'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a set-reference -d 'set the vendor\'s own number of the license; an empty one removes it'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a set-note -d 'set the vendor\'s note, which the owner does not see; an empty one removes it'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a set-labels -d 'set the labels, separated by commas; an empty list removes them'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a set-trial -d 'make the license a trial, or a full license'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a revoke -d 'revoke the activation of a server, which frees its slot; keep the server out for TIME, such as 7d or 12h'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a unblock -d 'let a server that is kept out claim a slot again'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a move -d 'move an activation or a lock to another IP address'
complete -c opterius-license-server -n '__opterius_license_server_at license' -a set-billing -d 'set the billing status for the Panel: active, past_due, trialing, canceled or none'
complete -c opterius-license-server -n '__opterius_license_server_in license create' -l owner -x -d 'NAME'
complete -c opterius-license-server -n '__opterius_license_server_in license create' -l plan -x -d 'SLUG'
complete -c opterius-license-server -n '__opterius_license_server_in license create' -l expires -x -d 'DATE'
complete -c opterius-license-server -n '__opterius_license_server_in license create' -l lock-ip -x -d 'IP'
complete -c opterius-license-server -n '__opterius_license_server_in license create' -l reference -x -d 'TEXT'
complete -c opterius-license-server -n '__opterius_license_server_in license create' -l trial
complete -c opterius-license-server -n '__opterius_license_server_in license create' -l json
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l reference -x -d 'TEXT'
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l owner -x -d 'NAME'
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l plan -x -d 'SLUG'
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l standing -x -d 'STANDING'
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l expires-before -x -d 'DATE'
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l server-ip -x -d 'IP'
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l hostname -x -d 'NAME'
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l label -x -d 'LABEL'
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l over-limit
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l never-used
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l trial
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l search -x -d 'TEXT'
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l limit -x -d 'N'
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l cursor -x -d 'CURSOR'
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l all
complete -c opterius-license-server -n '__opterius_license_server_in license list' -l json
complete -c opterius-license-server -n '__opterius_license_server_in license show' -l reveal-key
complete -c opterius-license-server -n '__opterius_license_server_in license show' -l json
complete -c opterius-license-server -n '__opterius_license_server_in license suspend' -l reason -x -d 'TEXT'
complete -c opterius-license-server -n '__opterius_license_server_in license delete' -l yes
complete -c opterius-license-server -n '__opterius_license_server_in license renew' -l until -x -d 'DATE'
complete -c opterius-license-server -n '__opterius_license_server_in license renew' -l add -x -d 'PERIOD'
complete -c opterius-license-server -n '__opterius_license_server_in license renew' -l basis -x -d 'BASIS'
complete -c opterius-license-server -n '__opterius_license_server_in license revoke' -l block -x -d 'TIME'
complete -c opterius-license-server -n '__opterius_license_server_in license set-billing' -l status -x -d 'STATUS'
complete -c opterius-license-server -n '__opterius_license_server_in license set-billing' -l period-end -x -d 'DATE'
complete -c opterius-license-server -n '__opterius_license_server_in license set-billing' -l cancel-at-period-end
complete -c opterius-license-server -n '__opterius_license_server_in history' -l all
complete -c opterius-license-server -n '__opterius_license_server_in history' -l json
complete -c opterius-license-server -n '__opterius_license_server_at plan' -a list -d 'list the plans and their limits'
complete -c opterius-license-server -n '__opterius_license_server_at plan' -a set -d 'create a plan, or change it for all its licenses; 0 is unlimited; asks if licenses then have too many servers'
complete -c opterius-license-server -n '__opterius_license_server_in plan list' -l json
complete -c opterius-license-server -n '__opterius_license_server_in plan set' -l title -x -d 'NAME'
complete -c opterius-license-server -n '__opterius_license_server_in plan set' -l max-accounts -x -d 'N'
complete -c opterius-license-server -n '__opterius_license_server_in plan set' -l max-servers -x -d 'N'
complete -c opterius-license-server -n '__opterius_license_server_in plan set' -l yes
complete -c opterius-license-server -n '__opterius_license_server_at user' -a list -d 'list the dashboard users'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a show -d 'show a user with its number of licenses and sessions'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a add -d 'add a user; prompts for the password, or reads it from stdin, or invites the user to set one'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a set -d 'change a user; ROLE is administrator or owner, and an empty ADDRESS removes the address'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a passwd -d 'set a user\'s password and end the user\'s sessions'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a invite -d 'make a link, good for 7 days, with which a user without a password sets one'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a reset -d 'make a link, good for an hour, with which a user sets a new password'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a reset-second-factor -d 'remove a user\'s second factor and end the user\'s sessions'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a sessions -d 'list where a user is signed in'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a sign-out -d 'end all sessions of a user'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a disable -d 'end a user\'s sessions and refuse further sign-ins; the user\'s licenses keep working'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a enable -d 'let a disabled user sign in again'
complete -c opterius-license-server -n '__opterius_license_server_at user' -a delete -d 'delete a user, whose licenses go to another user; the history is kept'
complete -c opterius-license-server -n '__opterius_license_server_in user list' -l json
complete -c opterius-license-server -n '__opterius_license_server_in user show' -l json
complete -c opterius-license-server -n '__opterius_license_server_in user add' -l administrator
complete -c opterius-license-server -n '__opterius_license_server_in user add' -l display-name -x -d 'TEXT'
complete -c opterius-license-server -n '__opterius_license_server_in user add' -l mail -x -d 'ADDRESS'
complete -c opterius-license-server -n '__opterius_license_server_in user add' -l invite
complete -c opterius-license-server -n '__opterius_license_server_in user add' -l no-mail
complete -c opterius-license-server -n '__opterius_license_server_in user add' -l json
complete -c opterius-license-server -n '__opterius_license_server_in user set' -l name -x -d 'NEW'
complete -c opterius-license-server -n '__opterius_license_server_in user set' -l display-name -x -d 'TEXT'
complete -c opterius-license-server -n '__opterius_license_server_in user set' -l mail -x -d 'ADDRESS'
complete -c opterius-license-server -n '__opterius_license_server_in user set' -l role -x -d 'ROLE'
complete -c opterius-license-server -n '__opterius_license_server_in user invite' -l no-mail
complete -c opterius-license-server -n '__opterius_license_server_in user invite' -l json
complete -c opterius-license-server -n '__opterius_license_server_in user reset' -l no-mail
complete -c opterius-license-server -n '__opterius_license_server_in user reset' -l json
complete -c opterius-license-server -n '__opterius_license_server_in user sessions' -l json
complete -c opterius-license-server -n '__opterius_license_server_in user delete' -l transfer-to -x -d 'NAME'
complete -c opterius-license-server -n '__opterius_license_server_in user delete' -l yes
complete -c opterius-license-server -n '__opterius_license_server_at token' -a add -d 'add a token of the API and print it; it is shown only once'
complete -c opterius-license-server -n '__opterius_license_server_at token' -a list -d 'list the tokens, with their last use'
complete -c opterius-license-server -n '__opterius_license_server_at token' -a revoke -d 'revoke a token; calls with it are refused at once'
complete -c opterius-license-server -n '__opterius_license_server_in token add' -l scopes -x -d 'SCOPES'
complete -c opterius-license-server -n '__opterius_license_server_in token add' -l expires -x -d 'DATE'
complete -c opterius-license-server -n '__opterius_license_server_in token add' -l networks -x -d 'NETWORKS'
complete -c opterius-license-server -n '__opterius_license_server_in token add' -l json
complete -c opterius-license-server -n '__opterius_license_server_in token list' -l json
complete -c opterius-license-server -n '__opterius_license_server_at webhook' -a add -d 'send events to this URL and print the secret that signs them; TYPES are separated by commas'
complete -c opterius-license-server -n '__opterius_license_server_at webhook' -a list -d 'list the webhooks and their state'
complete -c opterius-license-server -n '__opterius_license_server_at webhook' -a show -d 'show a webhook with its latest deliveries and answers'
complete -c opterius-license-server -n '__opterius_license_server_at webhook' -a remove -d 'remove a webhook with its deliveries'
complete -c opterius-license-server -n '__opterius_license_server_at webhook' -a rotate -d 'give a webhook a new secret and print it; for 24 hours both secrets sign'
complete -c opterius-license-server -n '__opterius_license_server_at webhook' -a test -d 'send a test event and show the answer'
complete -c opterius-license-server -n '__opterius_license_server_at webhook' -a replay -d 'send an event of the last 7 days again, or all that were given up'
complete -c opterius-license-server -n '__opterius_license_server_in webhook add' -l events -x -d 'TYPES'
complete -c opterius-license-server -n '__opterius_license_server_in webhook add' -l json
complete -c opterius-license-server -n '__opterius_license_server_in webhook list' -l json
complete -c opterius-license-server -n '__opterius_license_server_in webhook show' -l json
complete -c opterius-license-server -n '__opterius_license_server_in webhook rotate' -l json
complete -c opterius-license-server -n '__opterius_license_server_at keys' -a show -d 'show the public keys and their line for agent.conf'
complete -c opterius-license-server -n '__opterius_license_server_at keys' -a rotate -d 'add a new key; responses are signed with both keys from then on'
complete -c opterius-license-server -n '__opterius_license_server_at keys' -a retire -d 'retire the old key, at the earliest 30 days after rotate'
complete -c opterius-license-server -n '__opterius_license_server_in keys show' -l json
complete -c opterius-license-server -n '__opterius_license_server_in keys rotate' -l json
complete -c opterius-license-server -n '__opterius_license_server_in keys retire' -l force
complete -c opterius-license-server -n '__opterius_license_server_in keys retire' -l json
