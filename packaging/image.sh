#!/bin/sh
# image.sh BUILD_FOLDER FOLDER: the agent as an image, FOLDER/fleet-agent-VERSION-image.tar.gz: its root file system,
# which `docker import` takes, with `image.sh import` for what belongs to it besides files.
# image.sh import ARCHIVE NAME: gives it to the local Docker Engine under that name.
#
# There is no distribution below it: the agent, the libraries it is started with and their loader, certificates, time
# zones, a user and the default configuration. Nothing in there is a shell. Equal inputs give equal bytes.
set -eu

if [ "$1" = import ]; then
  version=$(basename "$2" | sed 's/^fleet-agent-\(.*\)-image\.tar\.gz$/\1/')
  exec docker import \
    --change 'ENTRYPOINT ["/usr/bin/fleet-agent"]' \
    --change 'CMD ["run", "/etc/fleet-agent/config.alloy", "--storage.path=/var/lib/fleet-agent", "--server.http.listen-addr=0.0.0.0:12345"]' \
    --change 'USER 65532:65532' \
    --change 'EXPOSE 12345/tcp' \
    --change 'VOLUME ["/var/lib/fleet-agent"]' \
    --change 'LABEL org.opencontainers.image.title=fleet-agent' \
    --change 'LABEL org.opencontainers.image.description="Ships logs to Loki and metrics to Prometheus"' \
    --change "LABEL org.opencontainers.image.version=$version" \
    "$2" "$3"
fi

build=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
packaging=$(dirname "$(realpath "$0")")
version=$("$build/bin/fleet-agent" --version)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
# /bin and /lib are links into /usr, as everywhere: the loader looks into both.
mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/etc/fleet-agent" "$root/etc/ssl/certs" "$root/usr/share/doc/fleet-agent" \
  "$root/var/lib/fleet-agent" "$root/run" "$root/tmp" "$root/var/log"
ln -s usr/lib "$root/lib"
strip --strip-unneeded -o "$root/usr/bin/fleet-agent" "$build/bin/fleet-agent"
ldd "$build/bin/fleet-agent" | grep -o '/[^ ]* (0x' | cut -d ' ' -f 1 >"$work/libraries"
while read -r path; do
  mkdir -p "$root/${path%/*}"
  cp -L "$path" "$root/$path"
done <"$work/libraries"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp -r /usr/share/zoneinfo "$root/usr/share/zoneinfo"
cp "$packaging/config.alloy" "$root/etc/fleet-agent/"
"$packaging/sbom.py" "$build" fleet-agent >"$root/usr/share/doc/fleet-agent/fleet-agent.cdx.json"
echo 'fleet-agent:x:65532:65532::/var/lib/fleet-agent:/usr/sbin/nologin' >"$root/etc/passwd"
echo 'fleet-agent:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chmod -R u=rwX,go=rX "$root"

# The state's folder belongs to the user: a new volume takes its owner from there.
tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --exclude=./var/lib/fleet-agent -cf "$work/image.tar" .
tar -C "$root" --mtime=@0 --owner=65532 --group=65532 --numeric-owner -rf "$work/image.tar" ./var/lib/fleet-agent
gzip -n -6 "$work/image.tar"
mv "$work/image.tar.gz" "$folder/fleet-agent-$version-image.tar.gz"
