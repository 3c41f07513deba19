#!/bin/sh
# unit_test.sh UNIT: systemd finds nothing wrong with the unit file and the example .socket unit beside it, and the unit's
# exposure stays at 2.0 or less.
set -eu
unit=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# On this machine there is no agent; any program stands for it.
sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$unit" >"$work/fleet-agent.service"
cp "$(dirname "$unit")/fleet-agent-syslog.socket" "$work"
said=$(systemd-analyze verify --man=no "$work/fleet-agent.service" "$work/fleet-agent-syslog.socket" 2>&1) || {
  echo "$said"
  exit 1
}
[ -z "$said" ] || {
  echo "systemd-analyze verify: $said"
  exit 1
}

# `security` exits with 1 beyond the threshold (tenths).
systemd-analyze security --no-pager --offline=true --threshold=20 "$unit" >"$work/security" || {
  tail -n 1 "$work/security"
  grep '✗' "$work/security"
  exit 1
}
tail -n 1 "$work/security"

# What the agent needs, and what the docs promise.
for line in 'Type=notify' 'User=fleet-agent' 'Restart=always' 'CapabilityBoundingSet=' 'NoNewPrivileges=yes' \
  'StateDirectory=fleet-agent' 'WatchdogSec=60' 'Before=docker.service' \
  'FileDescriptorStoreMax=4096' 'ProtectSystem=strict'; do
  grep -qx "$line" "$unit" || {
    echo "the unit lacks: $line"
    exit 1
  }
done
# These would blind the metrics or fail the start.
if grep -nE '^(ProtectProc|ProcSubset|PrivateUsers|PrivateNetwork|SupplementaryGroups)' "$unit"; then
  exit 1
fi
