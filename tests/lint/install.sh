#!/bin/bash
# install: `meson install` into a DESTDIR gives everything that a system needs, and puts nothing in odd places.
. "$(dirname "$0")/../lib/tap.sh"
needs meson

ROOT=$(mktemp -d)
at_exit "rm -rf '$ROOT'"
DESTDIR=$ROOT must meson install -C "$BUILD" --no-rebuild --quiet
cd "$ROOT" || bail "nothing installed"
mapfile -t FILES < <(find . -type f -o -type l | sed 's|^\.||' | sort)
has() { printf '%s\n' "${FILES[@]}" | grep -qE "$1"; }

WANTED=(
    '/s?bin/authrelayd$' '/s?bin/authrelayctl$' '/bin/relaylock$' '/bin/relaylogin$' '/bin/relaypeer$'
    '/systemd/system/authrelay\.service$' '/systemd/system/authrelay\.socket$'
    '/systemd/system/authrelay-lookup\.socket$' '/systemd/system/authrelay-lookup@\.socket$'
    '/systemd/system/authrelay-fifo\.socket$' '/systemd/system/authrelay-syslog\.socket$'
    '/sysusers\.d/authrelay\.conf$' '/tmpfiles\.d/authrelay\.conf$'
    '/authrelay/patterns/dovecot\.pattern$' '/authrelay/patterns/courier-pop3\.pattern$'
    '/etc/authrelay/authrelay\.conf$'
    '/man8/authrelayd\.8' '/man1/authrelayctl\.1' '/man1/relaylock\.1' '/man1/relaypeer\.1'
    '/man5/authrelay\.conf\.5' '/man5/authrelay\.pattern\.5' '/man5/authrelay\.cdb\.5'
    '/systemd/catalog/authrelay\.catalog$'
    '/bash-completion/completions/authrelayctl$' '/zsh/site-functions/_authrelayctl$' '/fish/vendor_completions\.d/authrelayctl\.fish$'
    '/authrelay/exim/authrelay\.conf$'
    '/systemd/system/authrelay-login\.socket$' '/man1/relaylogin\.1' '/authrelay/dovecot/authrelay-postlogin\.conf$'
    'qmail-pop3d@\.service$' 'qmail-pop3d\.socket$'
    '/authrelay/apparmor/authrelay-mail$' '/authrelay/apparmor/authrelay-syslogd$' '/authrelay/selinux/authrelay\.te$' '/authrelay/selinux/authrelay\.fc$'
    'qmail-smtpd@\.service$' 'qmail-smtpd\.socket$'
)
plan $((${#WANTED[@]} + 6))
for w in "${WANTED[@]}"; do ok "there is $w" has "$w"; done
conf=$(printf '%s\n' "${FILES[@]}" | grep -E '/etc/authrelay/authrelay\.conf$')
[ -n "$conf" ] || bail "no authrelay.conf is installed"
is "the default configuration sets nothing: all of it is comments" \
    "$(grep -nvE '^(#.*|;.*|\[[A-Za-z]+\]|)$' ".$conf")" ""
for program in relaylock relaylogin relaypeer; do
    is "$program is static" "$(ldd ".$(printf '%s\n' "${FILES[@]}" | grep "/$program\$")" 2>&1 | grep -c '=>')" 0
done
is "nothing is setuid or writable for others" "$(find . ! -type l \( -perm /6000 -o -perm /o+w \))" ""
is "no build path is in what is installed" "$(grep -rlF "$SOURCE/" ./etc ./usr/lib/systemd ./usr/share 2>/dev/null)" ""
