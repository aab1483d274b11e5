# SPDX-License-Identifier: Apache-2.0
# fish completion for authrelayctl(1)

function __authrelayctl_grants
    authrelayctl list 2>/dev/null | awk 'NR > 1 {print $1 "\t" $4}'
end

function __authrelayctl_users
    authrelayctl list 2>/dev/null | awk 'NR > 1 && $4 != "-" {print $4}' | sort -u
end

function __authrelayctl_patterns
    set -l directory (string match -- '--patterns=?*' (commandline -opc))
    authrelayctl patterns $directory 2>/dev/null | awk 'NR > 1 {print $1}'
end

set -l verbs status list check grant revoke unblock reload explain patterns dump import
set -l formats mynetworks pop-before-smtp relay-ctrl smtp-poplock smtp-poplock-static tcprules vpopmail

complete -c authrelayctl -f
complete -c authrelayctl -l json -d 'For programs'
complete -c authrelayctl -s h -l help -d 'How the command is used'
complete -c authrelayctl -l version -d 'The version'

complete -c authrelayctl -n "not __fish_seen_subcommand_from $verbs" -a status -d 'How the daemon is, and what it has seen'
complete -c authrelayctl -n "not __fish_seen_subcommand_from $verbs" -a list -d 'All grants'
complete -c authrelayctl -n "not __fish_seen_subcommand_from $verbs" -a check -d 'May an address relay?'
complete -c authrelayctl -n "not __fish_seen_subcommand_from $verbs" -a grant -d 'Let an address or a network relay'
complete -c authrelayctl -n "not __fish_seen_subcommand_from $verbs" -a revoke -d 'Take grants away'
complete -c authrelayctl -n "not __fish_seen_subcommand_from $verbs" -a unblock -d 'Let a barred user in again'
complete -c authrelayctl -n "not __fish_seen_subcommand_from $verbs" -a reload -d 'Read configuration and patterns again'
complete -c authrelayctl -n "not __fish_seen_subcommand_from $verbs" -a explain -d 'What is a login in a log'
complete -c authrelayctl -n "not __fish_seen_subcommand_from $verbs" -a patterns -d 'The patterns, their tests and attacks on them'
complete -c authrelayctl -n "not __fish_seen_subcommand_from $verbs" -a dump -d 'The records of a published file'

complete -c authrelayctl -n '__fish_seen_subcommand_from check revoke' -a '(__authrelayctl_grants)'
complete -c authrelayctl -n '__fish_seen_subcommand_from grant' -l ttl -x -d 'For how long'
complete -c authrelayctl -n '__fish_seen_subcommand_from grant revoke' -l user -x -a '(__authrelayctl_users)' -d 'Whose it is'
complete -c authrelayctl -n '__fish_seen_subcommand_from revoke' -l block -d 'And bar the user'
complete -c authrelayctl -n '__fish_seen_subcommand_from revoke' -l all -d 'Those of everybody'
complete -c authrelayctl -n '__fish_seen_subcommand_from explain patterns' -l patterns -x -a '(__fish_complete_directories)' -d 'Directory of patterns'
complete -c authrelayctl -n '__fish_seen_subcommand_from explain' -l all -d 'Lines that are nothing, too'
complete -c authrelayctl -n '__fish_seen_subcommand_from explain' -l summary -d 'Counts only'
complete -c authrelayctl -n '__fish_seen_subcommand_from patterns' -l test -d 'Run the examples'
complete -c authrelayctl -n '__fish_seen_subcommand_from patterns' -l attack -d 'Try to get past them'
complete -c authrelayctl -n '__fish_seen_subcommand_from patterns' -a '(__authrelayctl_patterns)'
complete -c authrelayctl -n "not __fish_seen_subcommand_from $verbs" -a import -d 'What another program knew'

complete -c authrelayctl -n '__fish_seen_subcommand_from import' -l dry-run -d 'List the logins only'
complete -c authrelayctl -n "__fish_seen_subcommand_from import; and not __fish_seen_subcommand_from $formats" -a "$formats" -d 'Format'
complete -c authrelayctl -n "__fish_seen_subcommand_from $formats" -F
complete -c authrelayctl -n '__fish_seen_subcommand_from explain dump' -F
