#!/bin/bash
# supervise: the daemon under daemontools, by the service directory of contrib/: no socket, directory or journal from
# systemd, a real Dovecot that logs to a file of its own.
. "$(dirname "$0")/../lib/tap.sh"
. "$LIB/mailhost.sh"
plan 18

LOG=/var/log/dovecot.log
mailhost_new dovecot
echo "log_path = $LOG" >>"$SEED/etc/dovecot/dovecot.conf"
mkdir -p "$SEED/var/log" "$SEED/etc/authrelay"
install -m 640 -g adm /dev/null "$SEED$LOG"
cp -a "$SEED/usr/share/authrelay/daemontools" "$SEED/etc/authrelay/service"
chmod +t "$SEED/etc/authrelay/service"
mailhost_boot '[Sources]' Journal=no "File=$LOG dovecot"
must in_box systemctl restart dovecot
must in_box mkdir /service
must in_box ln -s /etc/authrelay/service /service/authrelay
must in_box systemd-run --quiet --unit=svscan svscan /service

daemon() { in_box pgrep -o -x authrelayd; }
field() { in_box sed -n "s/^$1:[[:space:]]*//p" "/proc/$(daemon)/status"; }
is_new() { [ -n "$(daemon)" ] && [ "$(daemon)" != "$1" ]; }

ok "supervise starts it" wait_until 60 ctl status
is "as its own user" "$(in_box stat -c %U "/proc/$(daemon)")" authrelay
is "without capabilities" "$(field CapEff) $(field CapPrm) $(field CapBnd)" "0000000000000000 0000000000000000 0000000000000000"
is "and with no way to get any" "$(field NoNewPrivs)" 1
ok "a login" login imap 203.0.113.7
ok "is granted" wait_until 60 may_relay 203.0.113.7
ok "others are not" not may_relay 203.0.113.8

# There is no watchdog here: whoever keeps its log must not be able to stop it.
many() { # as Dovecot writes them, each from an address of its own
    local i now
    now=$(LC_ALL=C date '+%b %d %H:%M:%S')
    for i in $(seq 2000); do
        echo "$now imap-login: Info: Login: user=<u$i>, method=PLAIN, rip=192.2.$((i / 250)).$((i % 250 + 1)), lip=203.0.113.1, mpid=$i"
    done
}
must in_box pkill -STOP -x multilog
many >>"$BOX_FILES$LOG"
ok "its logger stands still, and all is granted" wait_until 60 may_relay 192.2.8.1
ok "and it answers" ctl status
must in_box pkill -CONT -x multilog
ok "a login after that" login imap 203.0.113.9
ok "the log says how much it left out" wait_until 60 in_box grep -q '[0-9] lines that nobody read are left out' /var/log/authrelay/current

old=$(daemon)
must in_box kill -KILL "$old"
ok "it is started again after a crash" eval 'wait_until 60 is_new "$old" && wait_until 20 ctl status'
ok "and knows the grant" may_relay 203.0.113.7
must in_box sh -c 'printf "[Grants]\nTTL=20min\n" >/etc/authrelay/authrelay.conf.d/ttl.conf'
must in_box svc -h /service/authrelay
ok "svc -h reloads" wait_until 60 eval 'ctl status | grep -q "each for 20min"'
must in_box svc -d /service/authrelay
ok "while it is down, its last word counts" eval 'wait_until 60 not daemon && may_relay 203.0.113.7'
ok "what it says is in multilog's log" wait_until 60 eval 'in_box cat /var/log/authrelay/current | grep -q "203.0.113.7 may relay"'

# Whose group the daemon is in must not matter, such as that of a log's readers.
must in_box systemd-run --quiet --unit=of-adm -p User=authrelay -p Group=adm authrelayd
ok "with the log's group for its own, it does what root says" wait_until 60 ctl grant 203.0.113.9
ok "and not what a reader of logs says" not in_box setpriv --reuid 1001 --regid 1001 --groups "$(in_box getent group adm | cut -d: -f3)" \
    authrelayctl grant 203.0.113.66
must in_box systemctl stop of-adm
