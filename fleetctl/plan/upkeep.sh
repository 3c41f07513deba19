# shellcheck shell=sh disable=SC2154
# The orders of the bootstrap that look after a host, sent before bootstrap.sh where one of them is given: `upkeep TASK
# ARGUMENTS`. Answers, after N, one per line; the last one is `done`.
#   lock            whether somebody is at work here: `lock held|free`, then of the last one that was: `by TEXT`, `since
#                   SECONDS`; of each process that has the lock's file open: `holder PID NAME`
#   unlock PID...   ends those of them, then tells as `lock` does
#   history N       `run JSON` for each of the last N changes, oldest first (agent/install/transaction.cc)
#   doctor [HOST:PORT...]   what a deploy needs and its facts do not tell; whether those addresses can be reached from here
#   uninstall [purge]       `removed WHAT` for each thing
upkeep() {
  case $1 in
    lock) tell_lock ;;
    unlock)
      end_holders "$2"
      tell_lock
      ;;
    history) tell_history "$2" ;;
    doctor) tell_health "$2" ;;
    uninstall) uninstall "$2" ;;
    *) die "failed unknown task: $1" ;;
  esac
  say 'done'
}

LOCK_FILE=/run/fleetctl.lock

# Processes that have the lock's file open, this one apart: it is theirs as long as one of them has it.
holders() {
  # shellcheck disable=SC2012  # the names below /proc/PID/fd are numbers
  ls -l /proc/[0-9]*/fd 2>/dev/null | awk -v file=$LOCK_FILE -v own=$$ \
    '/^\/proc\//{split($1, part, "/"); pid = part[3]} $NF == file && pid != own {print pid}' | sort -u
}

tell_lock() {
  [ -f $LOCK_FILE ] || {
    say 'lock free'
    return
  }
  list=$(holders)
  say "lock $([ -n "$list" ] && echo held || echo free)"
  say "by $(head -n 1 $LOCK_FILE)"
  say "since $(stat -c %Y $LOCK_FILE)"
  for pid in $list; do
    say "holder $pid $(cat "/proc/$pid/comm" 2>/dev/null)"
  done
}

# `fleet-agent apply` does not end when it is asked to: what it has begun is found by the next deploy.
end_holders() {
  for signal in TERM KILL; do
    for pid in $(holders_of "$1"); do
      kill -s $signal "$pid" 2>/dev/null
    done
    for _ in 1 2 3 4 5 6 7 8 9 10; do
      [ -n "$(holders_of "$1")" ] || return 0
      sleep 0.2 2>/dev/null || sleep 1
    done
  done
}

# Those that still are, of these. Only they are looked at: on a busy host all processes take seconds.
holders_of() {
  for pid in $1; do
    # shellcheck disable=SC2012  # the names there are numbers
    ls -l "/proc/$pid/fd" 2>/dev/null | awk -v file=$LOCK_FILE -v pid="$pid" \
      '$NF == file {found = 1} END {if (found) print pid}'
  done
}

tell_history() {
  cat "$BOOKS/history.jsonl.1" "$BOOKS/history.jsonl" 2>/dev/null | tail -n "$1" | sed "s/^/$N run /"
}

tell_health() {
  say "clock $(date +%s)"
  for tool in awk chmod date df getent gzip head id mkdir mv readlink sed stat tar; do
    has $tool || say "missing $tool"
  done
  has flock || say 'lacks flock'
  has useradd || has adduser || say 'missing useradd'
  has usermod || has addgroup || say 'missing usermod'
  ! has systemctl || say "systemd-version $(systemctl --version 2>/dev/null | head -n 1)"
  ! getent group docker >/dev/null || say 'docker-group yes'
  if has timedatectl && [ "$(timedatectl show --property NTPSynchronized --value 2>/dev/null)" = no ]; then
    say 'unsynchronized yes'
  fi
  state=/var/lib
  df -Pk $state 2>/dev/null | {
    read -r _
    read -r _ _ _ free _ && say "state-free $free"
  }
  tell_lock
  has bash && has timeout || has nc || return 0
  for address in $1; do
    if can_connect "${address%:*}" "${address##*:}"; then say "reaches $address"; else say "misses $address"; fi
  done
}

# To port $2 of $1, within five seconds.
can_connect() {
  if has bash && has timeout; then
    # shellcheck disable=SC2016  # expanded by that shell, so that an address is never read as a command
    timeout 5 bash -c ': <"/dev/tcp/$1/$2"' bash "$1" "$2" 2>/dev/null
  else
    nc -z -w 5 "$1" "$2" </dev/null >/dev/null 2>&1
  fi
}

remove() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  said=$(rm -rf "$1" 2>&1) || die "failed removing $1: $said"
  say "removed $1"
}

# Drop-ins that deploys put there (applied.json, agent/install/books.cc); others are this host's own. Of one that was
# interrupted those that were not there before.
remove_own_drop_ins() {
  drop_in="\"/etc/systemd/system/$UNIT\.d/[A-Za-z0-9._@+-]*\""
  number=$(sed -n 's/.*"generation":\([0-9]*\).*/\1/p' "$BOOKS/underway.json" 2>/dev/null)
  {
    grep -o "$drop_in" "$BOOKS/applied.json" 2>/dev/null
    [ -z "$number" ] || grep -o "$drop_in,\"present\":false" "$BOOKS/generations/$number/generation.json" 2>/dev/null
  } | cut -d '"' -f 2 | while read -r file; do remove "$file"; done || exit 1
  rmdir "/etc/systemd/system/$UNIT.d" 2>/dev/null
}

# $1 "purge": what the agent and the deploys remember, the unit's own changes and the user as well.
uninstall() {
  # One that comes and goes, or does not get ready, is "activating".
  case $([ ! -d /run/systemd/system ] || systemctl is-active "$UNIT" 2>/dev/null) in
    '' | inactive | failed | unknown) ;;
    *)
      said=$(systemctl stop "$UNIT" 2>&1) || die "failed stopping the agent: $said"
      say 'removed the running agent'
      ;;
  esac
  systemctl disable --quiet "$UNIT" 2>/dev/null
  remove "/etc/systemd/system/$UNIT"
  remove_own_drop_ins
  [ "$1" != purge ] || remove "/etc/systemd/system/$UNIT.d"
  systemctl daemon-reload 2>/dev/null
  systemctl reset-failed "$UNIT" 2>/dev/null
  remove "$RELEASES"
  remove /etc/fleet-agent
  [ "$1" = purge ] || return 0
  remove /var/lib/fleet-agent
  remove "$BOOKS"
  id -u fleet-agent >/dev/null 2>&1 || return 0
  said=$(userdel fleet-agent 2>&1 || deluser fleet-agent 2>&1) || die "failed removing the user fleet-agent: $said"
  say 'removed the user fleet-agent'
}

