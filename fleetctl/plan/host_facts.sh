# shellcheck shell=sh
# Facts of a host under Ansible's names, without Python. Each is one line: the word before it, a type (s text, i number,
# l list of words), the name, the value. What a host cannot tell is left out. Only looks.
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
fact() { [ -z "$3" ] || printf '%s %s %s %s\n' "$N" "$1" "$2" "$3"; }
has() { command -v "$1" >/dev/null 2>&1; }

fact s system "$(uname -s)"
fact s kernel "$(uname -r)"
fact s kernel_version "$(uname -v)"
fact s machine "$(uname -m)"
fact s nodename "$(uname -n)"
if has getent; then
  address=$(getent ahosts "$(uname -n)" | sed 's/ .*//;q')
  [ -z "$address" ] || fact l host_names "$(getent hosts "$address" | sed 's/^[^ ]* *//;q')"
fi

if [ -r /etc/os-release ]; then
  # shellcheck disable=SC1091,SC2153,SC2154  # the host's own file
  (
    . /etc/os-release
    fact s os_id "$ID"
    fact s os_like "$ID_LIKE"
    fact s os_name "$NAME"
    fact s os_version "$VERSION_ID"
    fact s os_codename "$VERSION_CODENAME"
    fact s os_long_version "$VERSION"
  )
fi
[ ! -r /etc/debian_version ] || fact s debian_version "$(cat /etc/debian_version)"

one=$(cat /proc/1/comm 2>/dev/null)
case $one in
  '' | init)
    if [ -d /run/systemd/system ]; then one=systemd; elif has openrc; then one=openrc; else one=sysvinit; fi
    ;;
esac
fact s service_mgr "$one"
for tool in apt-get dnf yum zypper apk pacman; do
  has $tool || continue
  fact s pkg_mgr "${tool%-get}"
  break
done
has systemctl && fact i systemd.version "$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then fact i cgroup_version 2; else fact i cgroup_version 1; fi
has getconf && fact s libc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
[ ! -S /var/run/docker.sock ] || fact s docker_socket /var/run/docker.sock

[ ! -r /proc/cpuinfo ] || awk -F '[ \t]*:[ \t]*' -v n="$N" '
  $1 == "processor" { all++ }
  $1 == "physical id" && !seen[$2]++ { sockets++ }
  $1 == "cpu cores" { cores = $2 }
  $1 == "siblings" { siblings = $2 }
  END {
    if (!all) exit
    if (!sockets) { sockets = all; cores = 1; siblings = 1 }
    if (!cores) cores = 1
    threads = int(siblings / cores); if (threads < 1) threads = 1
    printf "%s i processor_count %d\n%s i processor_cores %d\n%s i processor_threads_per_core %d\n", n, sockets, n, cores, n, threads
    printf "%s i processor_vcpus %d\n", n, sockets * cores * threads
  }' /proc/cpuinfo
has nproc && fact i processor_nproc "$(nproc)"
[ ! -r /proc/meminfo ] || awk -v n="$N" '
  $1 == "MemTotal:" { printf "%s i memtotal_mb %d\n", n, $2 / 1024 }
  $1 == "MemFree:" { printf "%s i memfree_mb %d\n", n, $2 / 1024 }
  $1 == "SwapTotal:" { printf "%s i swaptotal_mb %d\n", n, $2 / 1024 }
  $1 == "SwapFree:" { printf "%s i swapfree_mb %d\n", n, $2 / 1024 }' /proc/meminfo
[ ! -r /proc/uptime ] || fact i uptime_seconds "$(sed 's/\..*//' /proc/uptime)"
for file in /var/lib/dbus/machine-id /etc/machine-id; do
  [ -s $file ] || continue
  fact s machine_id "$(cat $file)"
  break
done
fact s user_id "$(id -un)"
fact i user_uid "$(id -u)"
fact i user_gid "$(id -g)"

if has ip; then
  fact l all_ipv4_addresses "$(ip -4 -o addr show 2>/dev/null | awk '{ sub("/.*", "", $4); if ($4 !~ /^127\./) print $4 }' | tr '\n' ' ')"
  fact l all_ipv6_addresses "$(ip -6 -o addr show 2>/dev/null | awk '{ sub("/.*", "", $4); if ($4 != "::1") print $4 }' | tr '\n' ' ')"
  for version in 4 6; do
    if [ $version = 4 ]; then target=8.8.8.8; else target=2404:6800:400a:800::1012; fi
    address=
    interface=
    # shellcheck disable=SC2046  # words
    set -- $(ip -$version route get $target 2>/dev/null)
    while [ $# -gt 1 ]; do
      case $1 in
        via) fact s default_ipv$version.gateway "$2" ;;
        src)
          address=$2
          fact s default_ipv$version.address "$2"
          ;;
        dev)
          interface=$2
          fact s default_ipv$version.interface "$2"
          fact s default_ipv$version.macaddress "$(cat /sys/class/net/"$2"/address 2>/dev/null)"
          fact i default_ipv$version.mtu "$(cat /sys/class/net/"$2"/mtu 2>/dev/null)"
          ;;
      esac
      shift
    done
    [ -z "$interface" ] || fact s default_ipv$version.prefix "$(ip -$version -o addr show dev "$interface" 2>/dev/null |
      awk -v a="$address" '{ split($4, p, "/"); if (p[1] == a) { print p[2]; exit } }')"
  done
fi
fact s date_time.epoch "$(date +%s)"
fact s date_time.date "$(date +%Y-%m-%d)"
fact s date_time.time "$(date +%H:%M:%S)"
fact s date_time.tz "$(date +%Z)"
fact s date_time.tz_offset "$(date +%z)"
fact s date_time.iso8601 "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
printf '%s end\n' "$N"
