# shellcheck shell=sh disable=SC2153
# What runs on a host first, as root, in whatever POSIX shell /bin/sh is. It takes the host's lock, tells what is there,
# and does as it is told on standard input: sends the configuration, takes a release of the agent, hands over to
# `fleet-agent apply`. It is sent after these assignments (bootstrap.cc):
#   N       a random word; every line for fleetctl begins with it, so that what a login shell prints cannot be mistaken
#   LOCK    yes: nobody else may change this host meanwhile; no: we only look
#   WHO     operator@machine, run
#   RELEASE the wanted release, 16 hex digits; ARCH, where that is by architecture, what this host is
#   GROUPS_WANTED, FILES   names, separated by spaces
# Answers, one per line, after N: see facts.h. Orders, one per line: `show [FILE]`, `release SIZE SHA256` + SIZE bytes,
# `apply` or `apply current` + a bundle, `installed`, `measured` (with rates, which takes a second),
# `generations` (as `installed`, and then `told`), `kept SHA256` (a file of a generation, as `show`; or `missing`),
# `upkeep TASK ARGUMENTS` (upkeep.sh), `containers` (how the running ones log), `end`. Errors: `error CODE text`, then exit status 1.
set -u
umask 077
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
trap '' HUP

RELEASES=/opt/fleet-agent
BOOKS=/var/lib/fleetctl
CONFIG=/etc/fleet-agent/config.alloy
UNIT=fleet-agent.service
UNIT_FOLDER=/etc/systemd/system
LINE_FEED='
'
PATIENCE=300 # seconds that fleetctl may take to say what it wants
lock_options=
watcher=

say() { printf '%s %s\n' "$N" "$*"; }
die() {
  say "error $*"
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }
sha256_of() { # of these files, or of standard input: lines "SUM NAME"
  if has sha256sum; then sha256sum "$@"; else openssl dgst -sha256 -r "$@"; fi
}

take_lock() {
  has flock || return 0 # apply takes it then
  exec 9>>/run/fleetctl.lock || die "failed cannot write /run/fleetctl.lock"
  flock -w 2 9 || die "locked $(head -n 1 /run/fleetctl.lock)"
  printf '%s since %s\n' "$WHO" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >/run/fleetctl.lock
  lock_options='--lock-fd 9'
}

# When this process began: another one may have its number one day.
birth() {
  IFS= read -r line </proc/$$/stat
  # shellcheck disable=SC2086  # words; those before ") " may have spaces in them
  set -- ${line##*) }
  shift 19
  echo "$1"
}

# An operator's machine that vanishes without a word must not leave this host locked.
watch() {
  (
    trap 'set +u; kill $!; exit' TERM # there may be none yet
    sleep $PATIENCE &
    born=$(birth)
    wait $!
    [ "$(birth)" != "$born" ] || kill $$
  ) </dev/null >/dev/null 2>&1 9>&- &
  watcher=$!
}
unwatch() { [ -z "$watcher" ] || kill "$watcher"; }

# What those left who were killed at their work, secrets among it. Without flock, others may be at theirs.
sweep() {
  has flock || return 0
  for left in $RELEASES/.new $RELEASES/.current.new "${CONFIG%/*}/.config.alloy.staged" "${CONFIG%/*}/.config.alloy.staged".*; do
    if [ -e "$left" ] || [ -L "$left" ]; then rm -rf "$left"; fi
  done
}

# Starting a program costs more than all else here, and most runs find nothing to do: each is asked for all at once.
tell_facts() {
  # Linux has it in a file since 6.1. Whoever chose a release by it has it already: what we say is what that was.
  [ -n "${ARCH:-}" ] || { read -r ARCH </proc/sys/kernel/arch; } 2>/dev/null || ARCH=$(uname -m)
  say "arch $ARCH"
  # shellcheck disable=SC1091,SC2154  # the host's own file
  [ ! -r /etc/os-release ] || (. /etc/os-release && say "os ${ID:-unknown} ${VERSION_ID:-}")
  [ ! -S /var/run/docker.sock ] || say 'docker yes'
  if [ -f "$RELEASES/$RELEASE/.complete" ]; then say 'release yes'; elif [ -n "$RELEASE" ]; then tell_room; fi
  [ -d /run/systemd/system ] && has systemctl || return 0
  say 'systemd yes'
  states=$(systemctl is-active $UNIT alloy.service 2>/dev/null) # a line for each
  # What `systemctl is-enabled` would look at.
  if [ -L $UNIT_FOLDER/multi-user.target.wants/$UNIT ]; then enabled=enabled; else enabled=disabled; fi
  active=${states%%"$LINE_FEED"*}
  say "unit ${active:-unknown} $enabled"
  case $states in *"${LINE_FEED}active") say 'alloy active' ;; esac
}

# What only an agent that is yet to come needs.
tell_room() {
  ! has getconf || say "libc $(getconf GNU_LIBC_VERSION 2>/dev/null)"
  folder=/opt
  [ -d $folder ] || folder=/
  df -Pk $folder 2>/dev/null | {
    read -r _
    read -r _ _ _ free _ && say "free $free"
  }
}

tell_accounts() {
  member_of=$(id -nG fleet-agent 2>/dev/null) && say 'user yes'
  # shellcheck disable=SC2086  # words
  known=$LINE_FEED$([ -z "$GROUPS_WANTED" ] || getent group $GROUPS_WANTED)
  for group in $GROUPS_WANTED; do
    case $known in *"$LINE_FEED$group:"*) ;; *) continue ;; esac
    case " $member_of " in
      *" $group "*) say "group $group member" ;;
      *) say "group $group exists" ;;
    esac
  done
}

tell_files() {
  [ ! -L $RELEASES/current ] || say "current $(readlink $RELEASES/current)"
  applied=
  [ ! -f "$BOOKS/applied.json" ] || IFS= read -r applied <"$BOOKS/applied.json"
  add_applied "$applied"
  there=
  for file in $FILES; do
    if [ -L "$file" ]; then
      say "nofile $file"
    elif [ -f "$file" ]; then
      there="$there $file"
    elif [ -e "$file" ]; then
      say "nofile $file"
    fi
  done
  if [ -n "$there" ]; then
    # shellcheck disable=SC2086  # words
    modes=$LINE_FEED$(stat -c '%n %a %U %G' $there)$LINE_FEED
    # shellcheck disable=SC2086  # words
    sums=$(sha256_of $there)
    while read -r sum file; do
      file=${file#\*}
      mode=${modes#*"$LINE_FEED$file "}
      say "file $file $sum ${mode%%"$LINE_FEED"*}"
    done <<END
$sums
END
  fi
  [ -z "$applied" ] || say "applied $applied"
  [ -f "$BOOKS/underway.json" ] || return 0
  IFS= read -r underway <"$BOOKS/underway.json"
  say "underway $underway"
}

# What a deploy put there and none wants any more is looked at, too. $1: a line of JSON (agent/install/books.cc).
add_applied() {
  rest=$1
  while :; do
    case $rest in *'"/'*) ;; *) return 0 ;; esac
    rest=${rest#*'"/'}
    file=/${rest%%'"'*}
    case $file in
      *[!A-Za-z0-9._@+/-]*) ;;
      "${CONFIG%/*}"/* | $UNIT_FOLDER/$UNIT.d/*)
        case " $FILES " in *" $file "*) ;; *) FILES="$FILES $file" ;; esac
        ;;
    esac
  done
}

show() { # the configuration, or of the file $1 as much as is compared
  if [ -z "$1" ]; then
    [ ! -f $CONFIG ] || sed "s/^/$N | /" $CONFIG
  elif [ -f "$1" ]; then
    head -c 1048578 "$1" | sed "s/^/$N | /"
  fi
  echo # sed leaves the last line without an end where the file does; an empty line goes by
  say shown
}

show_kept() {
  kept=$(sha256_of "$BOOKS"/generations/*/files/* 2>/dev/null | grep "^$1 ") || {
    say missing
    return
  }
  kept=${kept%%"$LINE_FEED"*}
  kept=${kept#"$1" } # a blank or a star comes before the name
  sed "s/^/$N | /" "${kept#?}"
  echo
  say shown
}

ask_docker() {
  set -- docker --host unix:///var/run/docker.sock "$@"
  ! has timeout || set -- timeout 20 "$@"
  "$@" 9>&-
}

# `| ["NAME",LOGCONFIG]` for each running container, then `listed`; or `unlisted WHY`.
containers() {
  if ! has docker; then
    say 'unlisted there is no docker command'
    return
  fi
  if ! ids=$(ask_docker ps --quiet --no-trunc 2>&1); then
    say "unlisted ${ids%%"$LINE_FEED"*}"
    return
  fi
  # shellcheck disable=SC2086  # words; one that ended meanwhile is left out, and said on standard error
  told=$([ -z "$ids" ] || ask_docker inspect --format '[{{json .Name}},{{json .HostConfig.LogConfig}}]' $ids 2>/dev/null |
    cut -b 1-4096 | head -n 5000)
  if [ -n "$ids" ] && [ -z "$told" ]; then
    say 'unlisted docker inspect told nothing'
    return
  fi
  [ -z "$told" ] || printf '%s\n' "$told" | sed "s/^/$N | /"
  say listed
}

# $1 bytes of standard input with checksum $2 become $RELEASES/$RELEASE. Nothing half-done is left behind.
take_release() {
  [ -n "$RELEASE" ] || die 'failed no release for this host'
  fresh=$RELEASES/.new
  [ ! -e $fresh ] || rm -rf $fresh # of a connection that broke
  said=$(umask 022 && mkdir -p $fresh 2>&1) || die "failed $said"
  if ! said=$(head -c "$1" 2>&1 >$fresh/release.tar.gz 9>&-); then
    rm -rf $fresh
    die "failed receiving the agent: $said"
  fi
  # OpenSSL uses what the processor has for it, which most sha256sums do not.
  sum=$(openssl dgst -sha256 -r <$fresh/release.tar.gz 2>/dev/null) || sum=$(sha256_of <$fresh/release.tar.gz)
  if [ "${sum%% *}" != "$2" ]; then
    rm -rf $fresh
    die 'failed receiving the agent: wrong checksum'
  fi
  if ! said=$(umask 022 && cd $fresh && tar -xzf release.tar.gz 2>&1 && rm release.tar.gz); then
    rm -rf $fresh
    die "failed unpacking the agent: $said"
  fi
  use_fallbacks
  : >$fresh/.complete
  sync -f $fresh/.complete 2>/dev/null || sync
  [ ! -e $RELEASES/"$RELEASE" ] || rm -rf "${RELEASES:?}/$RELEASE"
  mv $fresh "$RELEASES/$RELEASE" || die 'failed cannot write to /opt'
  say received
}

# A library in lib-fallback is used only where the host has none of that name: its own gets security updates.
use_fallbacks() {
  for library in "$fresh"/lib-fallback/*; do
    [ -f "$library" ] || continue
    name=${library##*/}
    for place in /lib/*-linux-gnu* /usr/lib/*-linux-gnu* /lib64 /usr/lib64 /lib /usr/lib; do
      [ ! -e "$place/$name" ] || continue 2
    done
    ln -s "../lib-fallback/$name" "$fresh/lib/$name"
  done
}

# $1 "current": by the agent that is installed.
apply() {
  unwatch
  # shellcheck disable=SC2086  # two words or none
  exec "$RELEASES/${1:-$RELEASE}/bin/fleet-agent" apply --frame "$N" $lock_options
}

[ "$(id -u)" = 0 ] || die 'not-root not root on this host: give --become (-b) or set ansible_become'
has sha256sum || has openssl || die 'failed this host has neither sha256sum nor openssl'
if [ "$LOCK" = yes ]; then
  take_lock
  trap unwatch EXIT
  trap 'exit 1' PIPE # by which a shell ends without the other one
  watch
  sweep
fi
tell_facts
tell_accounts
tell_files
say ready

while IFS=' ' read -r order size sum; do
  case $order in
    show) show "$size" ;;
    containers) containers ;;
    release) take_release "$size" "$sum" ;;
    apply) apply "$size" ;;
    installed) exec $RELEASES/current/bin/fleet-agent installed --frame "$N" </dev/null ;;
    generations)
      $RELEASES/current/bin/fleet-agent installed --frame "$N" </dev/null 9>&-
      say told
      ;;
    kept) show_kept "$size" ;;
    measured)
      $RELEASES/current/bin/fleet-agent installed --measure --frame "$N" </dev/null 2>/dev/null && exit 0
      exec $RELEASES/current/bin/fleet-agent installed --frame "$N" </dev/null # one that does not know --measure
      ;;
    upkeep) upkeep "$size" "$sum" ;;
    end) exit 0 ;;
    *) die "failed unknown order: $order" ;;
  esac
done
