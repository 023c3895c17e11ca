#compdef opterius-license-server
# Zsh completion for opterius-license-server, generated from the table that its --help is made of.

_opterius-license-server() {
    local -a commands subcommands
    local index
    # The words before the cursor that are neither options nor values of options.
    for ((index = 2; index < CURRENT; index++)); do
        case $words[index] in
            (--config|--every|--keep|--undecided|--from|--to|--from-config|--to-config|--owner|--plan|--expires|--lock-ip|--reference|--standing|--expires-before|--server-ip|--hostname|--label|--search|--limit|--cursor|--reason|--until|--add|--basis|--block|--status|--period-end|--title|--max-accounts|--max-servers|--display-name|--mail|--name|--role|--transfer-to|--scopes|--networks|--events) ((index++)) ;;
            (-*) ;;
            (*) commands+=($words[index]) ;;
        esac
    done
    case "$commands" in
        ('')
            subcommands=(
                'init:create the database and the signing key; never overwrites anything'
                'serve:run the license server in the foreground'
                'deliver:send events to webhooks, in the foreground, beside serve'
                'check:check configuration, files, database and keys, and report problems'
                'stats:count licenses, servers and verifications, like the overview page of the dashboard'
                'backup:write a copy of the database to a new file; with --every (6h, 1d), to a directory if a copy is due there'
                'restore:replace the database with a backup; unknown keys get 503 instead of a refusal for TIME (48h)'
                'move:copy a database that is not in use to an empty one of either engine, and compare both'
                'license:create, list, show, suspend, resume, cancel, delete, renew, set-plan, lock-ip, unlock-ip, transfer, set-reference, set-note, set-labels, set-trial, revoke, unblock, move, set-billing'
                'history:show the latest 50 changes, or all; of one license or of everything'
                'plan:list, set'
                'user:list, show, add, set, passwd, invite, reset, reset-second-factor, sessions, sign-out, disable, enable, delete'
                'token:add, list, revoke'
                'webhook:add, list, show, remove, rotate, test, replay'
                'keys:show, rotate, retire'
            )
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: :{_describe command subcommands}'
            ;;
        ('init')
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : '
            ;;
        ('serve')
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : '
            ;;
        ('deliver')
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : '
            ;;
        ('check')
            _arguments \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : '
            ;;
        ('stats')
            _arguments \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : '
            ;;
        ('backup'|'backup'\ *)
            _arguments \
                '--every=[TIME]:TIME: ' \
                '--keep=[N]:N: ' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2:FILE:_files'
            ;;
        ('restore'|'restore'\ *)
            _arguments \
                '--undecided=[TIME]:TIME: ' \
                '--yes[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2:FILE:_files'
            ;;
        ('move')
            _arguments \
                '--from=[DATABASE]:DATABASE: ' \
                '--to=[DATABASE]:DATABASE: ' \
                '--from-config=[FILE]:FILE:_files' \
                '--to-config=[FILE]:FILE:_files' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : '
            ;;
        ('license')
            subcommands=(
                'create:create a license and print its number and key'
                'list:list the newest 50 licenses that pass all filters, or N, or all; CURSOR continues a list'
                'show:show a license with its servers, the refused ones and its latest history'
                'suspend:suspend the license; if it is suspended, change the reason'
                'resume:resume the license after a suspension or cancellation'
                'cancel:cancel the license'
                'delete:delete the license and its activations; its history is kept'
                'renew:set the expiry, which can be never; or add time, which begins at the expiry, or now if that has passed'
                'set-plan:change the plan'
                'lock-ip:lock the license to an IP address'
                'unlock-ip:allow any IP address again'
                'transfer:give the license to another user'
                'set-reference:set the vendor'\''s own number of the license; an empty one removes it'
                'set-note:set the vendor'\''s note, which the owner does not see; an empty one removes it'
                'set-labels:set the labels, separated by commas; an empty list removes them'
                'set-trial:make the license a trial, or a full license'
                'revoke:revoke the activation of a server, which frees its slot; keep the server out for TIME, such as 7d or 12h'
                'unblock:let a server that is kept out claim a slot again'
                'move:move an activation or a lock to another IP address'
                'set-billing:set the billing status for the Panel: active, past_due, trialing, canceled or none'
            )
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: :{_describe command subcommands}'
            ;;
        ('license create')
            _arguments \
                '--owner=[NAME]:NAME: ' \
                '--plan=[SLUG]:SLUG: ' \
                '--expires=[DATE]:DATE: ' \
                '--lock-ip=[IP]:IP: ' \
                '--reference=[TEXT]:TEXT: ' \
                '--trial[]' \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('license list')
            _arguments \
                '--reference=[TEXT]:TEXT: ' \
                '--owner=[NAME]:NAME: ' \
                '--plan=[SLUG]:SLUG: ' \
                '--standing=[STANDING]:STANDING: ' \
                '--expires-before=[DATE]:DATE: ' \
                '--server-ip=[IP]:IP: ' \
                '--hostname=[NAME]:NAME: ' \
                '--label=[LABEL]:LABEL: ' \
                '--over-limit[]' \
                '--never-used[]' \
                '--trial[]' \
                '--search=[TEXT]:TEXT: ' \
                '--limit=[N]:N: ' \
                '--cursor=[CURSOR]:CURSOR: ' \
                '--all[]' \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('license show'|'license show'\ *)
            _arguments \
                '--reveal-key[]' \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license suspend'|'license suspend'\ *)
            _arguments \
                '--reason=[TEXT]:TEXT: ' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license resume'|'license resume'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license cancel'|'license cancel'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license delete'|'license delete'\ *)
            _arguments \
                '--yes[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license renew'|'license renew'\ *)
            _arguments \
                '--until=[DATE]:DATE: ' \
                '--add=[PERIOD]:PERIOD: ' \
                '--basis=[BASIS]:BASIS: ' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license set-plan'|'license set-plan'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: ' \
                '4:SLUG: '
            ;;
        ('license lock-ip'|'license lock-ip'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: ' \
                '4:IP: '
            ;;
        ('license unlock-ip'|'license unlock-ip'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license transfer'|'license transfer'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: ' \
                '4:NAME: '
            ;;
        ('license set-reference'|'license set-reference'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: ' \
                '4:REFERENCE: '
            ;;
        ('license set-note'|'license set-note'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: ' \
                '4:TEXT: '
            ;;
        ('license set-labels'|'license set-labels'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: ' \
                '4:LABELS: '
            ;;
        ('license set-trial'|'license set-trial'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: ' \
                '4:YES-OR-NO: '
            ;;
        ('license revoke'|'license revoke'\ *)
            _arguments \
                '--block=[TIME]:TIME: ' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: ' \
                '4:IP: '
            ;;
        ('license unblock'|'license unblock'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: ' \
                '4:IP: '
            ;;
        ('license move'|'license move'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: ' \
                '4:FROM: ' \
                '5:TO: '
            ;;
        ('license set-billing'|'license set-billing'\ *)
            _arguments \
                '--status=[STATUS]:STATUS: ' \
                '--period-end=[DATE]:DATE: ' \
                '--cancel-at-period-end[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('history'|'history'\ *)
            _arguments \
                '--all[]' \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2::ID: '
            ;;
        ('plan')
            subcommands=(
                'list:list the plans and their limits'
                'set:create a plan, or change it for all its licenses; 0 is unlimited; asks if licenses then have too many servers'
            )
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: :{_describe command subcommands}'
            ;;
        ('plan list')
            _arguments \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('plan set'|'plan set'\ *)
            _arguments \
                '--title=[NAME]:NAME: ' \
                '--max-accounts=[N]:N: ' \
                '--max-servers=[N]:N: ' \
                '--yes[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:SLUG: '
            ;;
        ('user')
            subcommands=(
                'list:list the dashboard users'
                'show:show a user with its number of licenses and sessions'
                'add:add a user; prompts for the password, or reads it from stdin, or invites the user to set one'
                'set:change a user; ROLE is administrator or owner, and an empty ADDRESS removes the address'
                'passwd:set a user'\''s password and end the user'\''s sessions'
                'invite:make a link, good for 7 days, with which a user without a password sets one'
                'reset:make a link, good for an hour, with which a user sets a new password'
                'reset-second-factor:remove a user'\''s second factor and end the user'\''s sessions'
                'sessions:list where a user is signed in'
                'sign-out:end all sessions of a user'
                'disable:end a user'\''s sessions and refuse further sign-ins; the user'\''s licenses keep working'
                'enable:let a disabled user sign in again'
                'delete:delete a user, whose licenses go to another user; the history is kept'
            )
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: :{_describe command subcommands}'
            ;;
        ('user list')
            _arguments \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('user show'|'user show'\ *)
            _arguments \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('user add'|'user add'\ *)
            _arguments \
                '--administrator[]' \
                '--display-name=[TEXT]:TEXT: ' \
                '--mail=[ADDRESS]:ADDRESS: ' \
                '--invite[]' \
                '--no-mail[]' \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('user set'|'user set'\ *)
            _arguments \
                '--name=[NEW]:NEW: ' \
                '--display-name=[TEXT]:TEXT: ' \
                '--mail=[ADDRESS]:ADDRESS: ' \
                '--role=[ROLE]:ROLE: ' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('user passwd'|'user passwd'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('user invite'|'user invite'\ *)
            _arguments \
                '--no-mail[]' \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('user reset'|'user reset'\ *)
            _arguments \
                '--no-mail[]' \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('user reset-second-factor'|'user reset-second-factor'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('user sessions'|'user sessions'\ *)
            _arguments \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('user sign-out'|'user sign-out'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('user disable'|'user disable'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('user enable'|'user enable'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('user delete'|'user delete'\ *)
            _arguments \
                '--transfer-to=[NAME]:NAME: ' \
                '--yes[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('token')
            subcommands=(
                'add:add a token of the API and print it; it is shown only once'
                'list:list the tokens, with their last use'
                'revoke:revoke a token; calls with it are refused at once'
            )
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: :{_describe command subcommands}'
            ;;
        ('token add'|'token add'\ *)
            _arguments \
                '--scopes=[SCOPES]:SCOPES: ' \
                '--expires=[DATE]:DATE: ' \
                '--networks=[NETWORKS]:NETWORKS: ' \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('token list')
            _arguments \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('token revoke'|'token revoke'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('webhook')
            subcommands=(
                'add:send events to this URL and print the secret that signs them; TYPES are separated by commas'
                'list:list the webhooks and their state'
                'show:show a webhook with its latest deliveries and answers'
                'remove:remove a webhook with its deliveries'
                'rotate:give a webhook a new secret and print it; for 24 hours both secrets sign'
                'test:send a test event and show the answer'
                'replay:send an event of the last 7 days again, or all that were given up'
            )
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: :{_describe command subcommands}'
            ;;
        ('webhook add'|'webhook add'\ *)
            _arguments \
                '--events=[TYPES]:TYPES: ' \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:URL: '
            ;;
        ('webhook list')
            _arguments \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('webhook show'|'webhook show'\ *)
            _arguments \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:WEBHOOK: '
            ;;
        ('webhook remove'|'webhook remove'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:WEBHOOK: '
            ;;
        ('webhook rotate'|'webhook rotate'\ *)
            _arguments \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:WEBHOOK: '
            ;;
        ('webhook test'|'webhook test'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:WEBHOOK: '
            ;;
        ('webhook replay'|'webhook replay'\ *)
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:WEBHOOK: ' \
                '4::EVENT: '
            ;;
        ('keys')
            subcommands=(
                'show:show the public keys and their line for agent.conf'
                'rotate:add a new key; responses are signed with both keys from then on'
                'retire:retire the old key, at the earliest 30 days after rotate'
            )
            _arguments \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: :{_describe command subcommands}'
            ;;
        ('keys show')
            _arguments \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('keys rotate')
            _arguments \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('keys retire')
            _arguments \
                '--force[]' \
                '--json[]' \
                '--config=[the configuration file (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help; COMMAND --help prints the help of one command]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
    esac
}

_opterius-license-server "$@"
