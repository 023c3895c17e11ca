#compdef opterius-license-server
# Zsh completion for opterius-license-server, generated from the table that its --help is made of.

_opterius-license-server() {
    local -a commands subcommands
    local index
    # The words before the cursor that are neither options nor values of options.
    for ((index = 2; index < CURRENT; index++)); do
        case $words[index] in
            (--config|--owner|--plan|--expires|--lock-ip|--search|--until|--status|--period-end|--title|--max-accounts|--max-servers) ((index++)) ;;
            (-*) ;;
            (*) commands+=($words[index]) ;;
        esac
    done
    case "$commands" in
        ('')
            subcommands=(
                'init:make the database and the signing key; nothing is ever overwritten'
                'serve:run the license server in the foreground'
                'check:check settings, database and keys, and name what is wrong'
                'backup:copy the database, of one moment, to a new file; also while serve runs'
                'license:create, list, show, suspend, resume, cancel, delete, renew, set-plan, lock-ip, unlock-ip, revoke, move, set-billing'
                'history:the latest 50 changes of a license or of everything, or all of them'
                'plan:list, set'
                'user:list, add, passwd'
                'keys:show, rotate, retire'
            )
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: :{_describe command subcommands}'
            ;;
        ('init')
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : '
            ;;
        ('serve')
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : '
            ;;
        ('check')
            _arguments \
                '--json[]' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : '
            ;;
        ('backup'|'backup'\ *)
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2:FILE:_files'
            ;;
        ('license')
            subcommands=(
                'create:make a license and print its number and its key'
                'list:the newest 50 licenses, or all; TEXT is a number, the beginning of a key, or an owner'
                'show:one license with its servers and its latest history'
                'suspend:no use for now'
                'resume:use again, after a suspension or a cancellation'
                'cancel:no use any more'
                'delete:delete it with its activations; its history stays'
                'renew:set when it ends; DATE may be never'
                'set-plan:give it another plan'
                'lock-ip:allow its use at this address alone'
                'unlock-ip:allow its use at any address'
                'revoke:free the slot of a server'
                'move:give the slot or the lock of an address to another'
                'set-billing:set what Panels show: active, past_due, trialing, canceled or none'
            )
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
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
                '--json[]' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('license list')
            _arguments \
                '--owner=[NAME]:NAME: ' \
                '--search=[TEXT]:TEXT: ' \
                '--all[]' \
                '--json[]' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('license show'|'license show'\ *)
            _arguments \
                '--reveal-key[]' \
                '--json[]' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license suspend'|'license suspend'\ *)
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license resume'|'license resume'\ *)
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license cancel'|'license cancel'\ *)
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license delete'|'license delete'\ *)
            _arguments \
                '--yes[]' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license renew'|'license renew'\ *)
            _arguments \
                '--until=[DATE]:DATE: ' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license set-plan'|'license set-plan'\ *)
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: ' \
                '4:SLUG: '
            ;;
        ('license lock-ip'|'license lock-ip'\ *)
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: ' \
                '4:IP: '
            ;;
        ('license unlock-ip'|'license unlock-ip'\ *)
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('license revoke'|'license revoke'\ *)
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: ' \
                '4:IP: '
            ;;
        ('license move'|'license move'\ *)
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
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
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:ID: '
            ;;
        ('history'|'history'\ *)
            _arguments \
                '--all[]' \
                '--json[]' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2::ID: '
            ;;
        ('plan')
            subcommands=(
                'list:what the plans allow'
                'set:make a plan or change it, for all its licenses at once; 0 is unlimited'
            )
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: :{_describe command subcommands}'
            ;;
        ('plan list')
            _arguments \
                '--json[]' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('plan set'|'plan set'\ *)
            _arguments \
                '--title=[NAME]:NAME: ' \
                '--max-accounts=[N]:N: ' \
                '--max-servers=[N]:N: ' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:SLUG: '
            ;;
        ('user')
            subcommands=(
                'list:who may sign in to the dashboard'
                'add:make a user; asks for the password, or reads it from stdin'
                'passwd:set a user'\''s password and end the user'\''s sessions'
            )
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: :{_describe command subcommands}'
            ;;
        ('user list')
            _arguments \
                '--json[]' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('user add'|'user add'\ *)
            _arguments \
                '--administrator[]' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('user passwd'|'user passwd'\ *)
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : ' \
                '3:NAME: '
            ;;
        ('keys')
            subcommands=(
                'show:the public keys, and their line for agent.conf'
                'rotate:add a new key; answers are signed with both from then on'
                'retire:end the old key, 30 days after rotate at the earliest'
            )
            _arguments \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: :{_describe command subcommands}'
            ;;
        ('keys show')
            _arguments \
                '--json[]' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('keys rotate')
            _arguments \
                '--json[]' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
        ('keys retire')
            _arguments \
                '--force[]' \
                '--json[]' \
                '--config=[the settings (default: /etc/opterius/license-server.conf)]:FILE:_files' \
                '--help[print this help, or the help of one command: COMMAND --help]' \
                '--version[print the version]' \
                '1: : ' \
                '2: : '
            ;;
    esac
}

_opterius-license-server "$@"
