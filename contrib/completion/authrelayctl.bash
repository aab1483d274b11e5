# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# bash completion for authrelayctl(1)

__authrelayctl_verb() { # sets verb to the first word that is no option, and format to the one behind it
    local word
    verb='' format=''
    for word in "${words[@]:1:cword-1}"; do
        case $word in
            -*) ;;
            *) [ -z "$verb" ] || { format=$word; return; }; verb=$word ;;
        esac
    done
}

# What the daemon has granted; nothing if it may not be asked.
__authrelayctl_addresses() { authrelayctl list 2>/dev/null | awk 'NR > 1 {print $1}'; }
__authrelayctl_users() { authrelayctl list 2>/dev/null | awk 'NR > 1 && $4 != "-" {print $4}' | sort -u; }
__authrelayctl_patterns() { authrelayctl patterns "$@" 2>/dev/null | awk 'NR > 1 {print $1}'; }

__authrelayctl_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2"); }

_authrelayctl() {
    # shellcheck disable=SC2034 # _init_completion sets prev
    local cur prev words cword verb format options option directory=()
    _init_completion -n =: 2>/dev/null || {
        words=("${COMP_WORDS[@]}") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]}
    }
    __authrelayctl_verb
    case $cur in
        --patterns=*)
            mapfile -t COMPREPLY < <(compgen -d -- "${cur#*=}")
            [[ $COMP_WORDBREAKS == *=* ]] || COMPREPLY=("${COMPREPLY[@]/#/--patterns=}")
            return
            ;;
        --user=*)
            __authrelayctl_words "$(__authrelayctl_users)" "${cur#*=}"
            [[ $COMP_WORDBREAKS == *=* ]] || COMPREPLY=("${COMPREPLY[@]/#/--user=}")
            return
            ;;
        --ttl=*) return ;;
        -*)
            options='--json --help --version'
            case $verb in
                grant) options+=' --ttl= --user=' ;;
                revoke) options+=' --user= --block --all' ;;
                explain) options+=' --patterns= --all --summary' ;;
                patterns) options+=' --patterns= --test --attack --lint' ;;
                import) options+=' --dry-run' ;;
            esac
            __authrelayctl_words "$options" "$cur"
            [[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace
            return
            ;;
    esac
    for option in "${words[@]:1}"; do
        [[ $option != --patterns=?* ]] || directory=("$option")
    done
    case $verb in
        '') __authrelayctl_words 'status list check grant revoke unblock reload explain patterns dump import' "$cur" ;;
        check | revoke) __authrelayctl_words "$(__authrelayctl_addresses)" "$cur" ;;
        patterns) __authrelayctl_words "$(__authrelayctl_patterns "${directory[@]}")" "$cur" ;;
        import)
            if [ -z "$format" ]; then
                __authrelayctl_words 'mynetworks pop-before-smtp relay-ctrl smtp-poplock smtp-poplock-static tcprules vpopmail' "$cur"
            else
                mapfile -t COMPREPLY < <(compgen -f -- "$cur"); compopt -o filenames
            fi
            ;;
        explain | dump) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); compopt -o filenames ;;
    esac
    # a colon of an IPv6 address is a word's end to readline
    if declare -F __ltrim_colon_completions >/dev/null; then
        __ltrim_colon_completions "$cur"
    fi
}
complete -F _authrelayctl authrelayctl
