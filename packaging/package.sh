#!/bin/sh
# package.sh BUILD_FOLDER FOLDER [VERSION]: Debian packages of the programs and the bundle in BUILD_FOLDER (build/release), put
# into FOLDER: fleet-agent_VERSION_ARCHITECTURE.deb and fleetctl_VERSION_ARCHITECTURE.deb. VERSION is the programs' own
# unless given.
#
# The agent's binary is the bundle's without its RPATH: the libraries are dependencies. Its unit is the one that fleetctl
# brings, with the package's paths.
set -eu
build=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
packaging=$(dirname "$(realpath "$0")")
version=${3:-$("$build/bin/fleet-agent" --version)}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/fleet
mkdir -p "$root/completion" "$root/sbom"
cd "$root"
cp -r "$packaging/debian" debian
cp "$packaging/config.alloy" .
cp "$packaging/fleet-agent.sysusers" fleet-agent.conf
cp "$packaging/fleet-agent-syslog.socket" .
cp -r "$build/bundle" bundle
for program in fleet-agent fleetctl; do
  strip --strip-unneeded -o "$program" "$build/bin/$program"
  "$build/bin/$program" completion bash >"completion/$program.bash"
  "$build/bin/$program" completion zsh >"completion/_$program"
  "$build/bin/$program" completion fish >"completion/$program.fish"
  "$packaging/sbom.py" "$build" "$program" >"sbom/$program.cdx.json"
done
"$build/bin/fleet-agent" man >fleet-agent.8
"$build/bin/fleetctl" man >fleetctl.1
"$build/bin/fleetctl" man fleet.yaml >fleet.yaml.5
chrpath -d fleet-agent >/dev/null
sed -e '1,/^\[Unit\]$/c [Unit]' -e 's|^Documentation=.*|Documentation=man:fleet-agent(8)|' \
  -e 's|^ExecStart=/opt/fleet-agent/current/bin/|ExecStart=/usr/bin/|' "$packaging/fleet-agent.service" >debian/fleet-agent.service

# The same commit gives the same packages.
: "${SOURCE_DATE_EPOCH:=$(git -C "$packaging" log -1 --format=%ct 2>/dev/null || echo 0)}"
export SOURCE_DATE_EPOCH
cat >debian/changelog <<END
fleet ($version) stable; urgency=medium

  * Built from the source tree; its history is in Git.

 -- Fleet <fleet@example.org>  $(date -uRd "@$SOURCE_DATE_EPOCH")
END
dpkg-buildpackage -b -us -uc -d >"$work/log" 2>&1 || {
  cat "$work/log" >&2
  exit 1
}
mv "$work"/*.deb "$folder/"
