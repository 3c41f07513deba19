#!/bin/bash
# demo.sh base | up BIN_DIR | down: the example fleet, deployed to real systemd hosts on this machine (`make demo`).
#
# Three hosts are booted: puck with Docker, oberon, and caliban, which has no template of its own. A second fleet-agent
# takes Loki's place (loki.source.api -> loki.echo). With LOKI_URL=http://host:3100 it passes everything on to that Loki.
# A real Prometheus takes the metrics, and has the alert rules of packaging/grafana.
# The fleet's own tree is deployed as it is: on the demo's hosts the name of its back end, prospero.incus, is this machine.
# Everything lies in one folder and in one network of its own; `down` removes both, and the hosts' cached file system when
# the demo made it. Installed Debian packages stay.
set -euo pipefail
cd "$(dirname "$0")/.."
export LAB_NAME=${LAB_NAME:-demo}
export LAB_DIR=/tmp/fleet-$LAB_NAME LAB_CACHE=/var/cache/fleet-lab
if [[ $(id -u) -ne 0 ]]; then exec sudo LOKI_URL="${LOKI_URL:-}" LAB_NAME="$LAB_NAME" "$0" "$@"; fi

lab=tests/support/lab
hosts=(puck.incus oberon.incus caliban.incus)
arrived=$LAB_DIR/receiver/arrived.log

say() { printf '\n== %s\n' "$*"; }

runs() { # runs NAME PID: the process is still the receiver of this demo with that name
  { tr '\0' ' ' <"/proc/$2/cmdline"; } 2>/dev/null | grep -qF "$LAB_DIR/$1"
}

stop_receivers() { # and waits until they write no more
  local name pid i
  for name in receiver prometheus; do
    pid=$(cat "$LAB_DIR/$name/pid" 2>/dev/null) || continue
    if runs "$name" "$pid"; then kill "$pid"; fi
    for ((i = 0; i < 100; i++)); do
      runs "$name" "$pid" || continue 2
      sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
  done
}

base() {
  if ! compgen -G "$LAB_CACHE/base-*" >/dev/null; then
    mkdir -p "$LAB_CACHE"
    touch "$LAB_CACHE/made-by-demo"
  fi
  "$lab" base >/dev/null
}

stop() {
  stop_receivers
  "$lab" down
}

down() {
  stop
  if [[ -f $LAB_CACHE/made-by-demo ]] && ! grep -qF "lowerdir=$LAB_CACHE/" /proc/mounts; then rm -rf "$LAB_CACHE"; fi
}

start_receiver() { # start_receiver BIN_DIR GATEWAY
  local push=${LOKI_URL:-} receivers=loki.echo.screen.receiver
  mkdir -p "$LAB_DIR/receiver"
  {
    if [[ -n $push ]]; then
      [[ $push == */push ]] || push=${push%/}/loki/api/v1/push
      receivers+=', loki.write.real.receiver'
      printf 'loki.write "real" {\n  endpoint {\n    url = "%s"\n  }\n}\n\n' "$push"
    fi
    cat <<END
loki.source.api "loki" {
  http {
    listen_address = "$2"
    listen_port    = 3100
  }
  use_incoming_timestamp = true
  forward_to             = [$receivers]
}

loki.echo "screen" { }
END
  } >"$LAB_DIR/receiver/config.alloy"
  setsid "$1/fleet-agent" run "$LAB_DIR/receiver/config.alloy" --server.http.listen-addr="$2:12345" \
    --storage.path="$LAB_DIR/receiver/data" </dev/null >"$arrived" 2>&1 &
  echo $! >"$LAB_DIR/receiver/pid"
  wait_for 10 "the receiver" curl -sf -o /dev/null "http://$2:12345/-/ready"
}

start_prometheus() { # start_prometheus GATEWAY; sets $prometheus
  local dir=$LAB_DIR/prometheus port=9090
  # Another Prometheus may have the port: Debian's package starts one.
  while (exec 3<>"/dev/tcp/$1/$port") 2>/dev/null; do port=$((port + 1)); done
  mkdir -p "$dir"
  printf 'rule_files: [%s]\n' "$PWD/packaging/grafana/alerts.yml" >"$dir/prometheus.yml"
  setsid /usr/bin/prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/data" \
    --web.listen-address="$1:$port" --web.enable-remote-write-receiver </dev/null >"$dir/prometheus.log" 2>&1 &
  echo $! >"$dir/pid"
  prometheus=http://$1:$port
  wait_for 30 "Prometheus" curl -sf -o /dev/null "$prometheus/-/ready"
}

wait_for() { # wait_for SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1))
  until "${@:3}"; do
    if [[ $SECONDS -ge $end ]]; then
      echo "demo: $2 did not come within $1 s" >&2
      tail -n 5 "$arrived" "$LAB_DIR/prometheus/prometheus.log" >&2 || true
      exit 1
    fi
    sleep 0.2
  done
}

show() { # show COUNT PATTERN: the newest lines that arrived, as `labels  line`
  grep -E "msg=entry.*$2" "$arrived" | tail -n "$1" |
    sed -E 's/.* labels="?(.*\})"? entry=(.*) structured_metadata=.*/  \1  \2/; s/\\"/"/g'
}

answer() { # answer PROMQL: one line for each series, as `labels => value`
  promtool query instant "$prometheus" "$1" | sed -E 's/ @\[[0-9.]+\]$//'
}

has_answer() { [[ -n $(answer "$1") ]]; }

ask() { # ask WHAT PROMQL [LINES]
  wait_for 60 "an answer to $2" has_answer "$2"
  printf '  %s    %s\n' "$1" "$2"
  answer "$2" | head -n "${3:-9}" | sed 's/^/      /'
}

write_tree() { # the repository's fleet, and beside its inventory how the demo's hosts are reached
  local tree=$LAB_DIR/tree
  mkdir "$tree"
  cp -r inventory group_vars host_vars templates "$tree/"
  "$lab" inventory >"$tree/inventory/zz_demo"
  [[ $prometheus == *:9090 ]] || echo "prometheus_url: http://prospero.incus:${prometheus##*:}/api/v1/write" >"$tree/group_vars/lab.yml"
}

up() {
  local bin=$1 gateway host prometheus started=$SECONDS
  bin=$(realpath "$bin")
  stop
  base
  say "booting ${hosts[*]} (systemd, sshd, journald), and a Docker Engine for puck"
  "$lab" net-up
  gateway=$("$lab" gateway)
  "$lab" docker-up
  "$lab" up --hosts-entry "$gateway prospero.incus" "${hosts[@]:1}"
  "$lab" up --hosts-entry "$gateway prospero.incus" --docker "${hosts[0]}"
  for host in "${hosts[@]}"; do
    # Something to read in every journal, and the agent's pages on the host's own address: it listens on 127.0.0.1.
    "$lab" exec "$host" tee /usr/local/bin/heartbeat >/dev/null <<<"while :; do date '+heartbeat %T'; sleep 2; done"
    "$lab" exec "$host" systemd-run -q --unit=heartbeat /bin/sh /usr/local/bin/heartbeat
    "$lab" exec "$host" systemd-run -q --unit=pages --socket-property=ListenStream="$("$lab" address "$host"):12345" \
      /lib/systemd/systemd-socket-proxyd 127.0.0.1:12345
  done
  for host in app mcp; do
    /usr/bin/docker -H "unix://$LAB_DIR/docker/docker.sock" run -d --name "athena-$host-1" --network none \
      --label com.docker.compose.project=athena --label "com.docker.compose.service=$host" lab:1 \
      /bin/sh -c "while :; do echo \"$host: request served in \$((RANDOM % 90)) ms\"; sleep 2; done" >/dev/null
  done

  say "starting the receiver: fleet-agent with loki.source.api -> loki.echo${LOKI_URL:+ and -> $LOKI_URL}"
  start_receiver "$bin" "$gateway"
  say "starting Prometheus, which takes what the agents write"
  start_prometheus "$gateway"

  write_tree
  say "fleetctl deploy --limit $(IFS=,; echo "${hosts[*]}")"
  (cd "$LAB_DIR/tree" && "$bin/fleetctl" deploy --limit "$(IFS=,; echo "${hosts[*]}")")

  say "arriving at the receiver"
  for host in "${hosts[@]}"; do
    wait_for 30 "a journal line of $host" grep -qE "msg=entry.*$host.*entry=\"heartbeat" "$arrived"
    show 2 "$host.*entry=\"heartbeat"
  done
  for host in app mcp; do
    wait_for 30 "a line of the container athena-$host-1" grep -qE "msg=entry.*athena-$host-1" "$arrived"
    show 2 "athena-$host-1"
  done

  say "asking Prometheus"
  wait_for 90 "samples of every exporter of puck and oberon" has_answer 'count(up == 1) == 8 and count(group by (instance) (namedprocess_namegroup_num_procs)) == 2'
  ask "who is there (1: its scrape worked)" 'sum by (instance, job) (up)'
  ask "load" 'max by (instance) (node_load1)'
  ask "memory in use, %" 'round(100 * max by (instance) (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes))'
  ask "the largest processes, MiB" \
    'round(topk by (instance) (3, sum by (instance, groupname) (namedprocess_namegroup_memory_bytes{memtype="resident"})) / 1024 / 1024)'
  ask "the containers' memory, KiB" \
    'max by (instance, service, component) (container_memory_working_set_bytes{name=~"athena.*"}) / 1024'
  ask "the agents' memory, MiB" 'round(max by (instance) (process_resident_memory_bytes{job="alloy"}) / 1024 / 1024)'

  say "done in $((SECONDS - started)) s. What runs where:"
  for host in "${hosts[@]}"; do
    printf '  %-14s fleet-agent, pages at http://%s:12345/    a shell: LAB_NAME=%s %s ssh %s\n' "$host" \
      "$("$lab" address "$host")" "$LAB_NAME" "$lab" "$host"
  done
  cat <<END
  receiver       pages at http://$gateway:12345/, what arrives: tail -f $arrived
  Prometheus     $prometheus/classic/graph?g0.expr=node_load1&g0.tab=0    alerts: $prometheus/classic/alerts
  the fleet      $LAB_DIR/tree: change a template there, then: cd $LAB_DIR/tree && $bin/fleetctl deploy --limit puck.incus
  stop           make demo-down
END
}

case ${1:-} in
  base) base ;;
  up) up "${2:?the folder of the programs}" ;;
  down) down ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 64 ;;
esac
