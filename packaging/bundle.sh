#!/bin/sh
# bundle.sh AGENT UNIT FOLDER VERSION: what fleetctl brings to hosts, made from the agent's binary and the unit file.
#   FOLDER/bundle.json           {"archive", "sha256", "architecture", "glibc", "unpacked", "version", "unit_sha256"}
#   FOLDER/fleet-agent.tar.gz    bin/fleet-agent (stripped), lib/, lib-fallback/, share/README; its sha256 names the release
#   FOLDER/fleet-agent.service   the unit
#   FOLDER/fleet-agent.cdx.json  the agent's bill of materials (sbom.py): not in the archive, because it also changes with
#                                packages that change nothing of the agent
# Equal inputs give equal bytes, so that a rebuild without a change deploys nothing.
#
# lib/ holds the shared libraries that a minimal Debian 12 host cannot be expected to have. Left out: glibc's own, and
# libsystemd with what it needs, which every systemd host has. lib-fallback/ is used only where the host has no library
# of that name: OpenSSL, whose security updates should come from the host's distribution.
# The agent finds lib/ by its DT_RPATH ($ORIGIN/../lib). RPATH, not RUNPATH: it also counts for the libraries that the
# bundled libraries need.
set -eu
agent=$1
unit=$2
folder=$3
version=$4
: "${STRIP:=strip}" "${OBJDUMP:=objdump}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/bin" "$root/lib" "$root/lib-fallback" "$root/share"
"$STRIP" --strip-unneeded -o "$root/bin/fleet-agent" "$agent"
cat >"$root/share/README" <<'TEXT'
A release of fleet-agent, put here by `fleetctl deploy` and named after its archive's checksum. /opt/fleet-agent/current
points to the one in use; the last three are kept. Configuration: /etc/fleet-agent, state: /var/lib/fleet-agent,
what deploys remember: /var/lib/fleetctl.
TEXT

ldd "$agent" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | sort >"$work/needed"
while read -r name path; do
  case $name in
    libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.* | libresolv.so.* | libutil.so.* | libanl.so.*) ;;
    libsystemd.so.* | libcap.so.* | liblzma.so.* | libzstd.so.* | liblz4.so.* | libgcrypt.so.* | libgpg-error.so.*) ;;
    libssl.so.* | libcrypto.so.*) cp -L "$path" "$root/lib-fallback/$name" ;;
    *) cp -L "$path" "$root/lib/$name" ;;
  esac
done <"$work/needed"
chmod 0755 "$root" "$root/bin" "$root/bin/fleet-agent" "$root/lib" "$root/lib-fallback" "$root/share"
find "$root/lib" "$root/lib-fallback" "$root/share" -type f -exec chmod 0644 {} +

# What was put into lib/ is also what the loader takes from there.
for library in "$root"/lib/*; do
  ldd "$root/bin/fleet-agent" | grep -qF "=> $root/bin/../lib/${library##*/} " || {
    echo "bundle.sh: the agent does not find ${library##*/} in its own lib/: is its RPATH \$ORIGIN/../lib?" >&2
    exit 1
  }
done

# The oldest glibc that has every symbol that anything in here asks for.
glibc=$(find "$root" -type f \( -name '*.so*' -o -name fleet-agent \) -exec "$OBJDUMP" -T {} + 2>/dev/null |
  grep -o 'GLIBC_[0-9][0-9.]*' | sort -uV | tail -n 1)
unpacked=$(du -sb "$root" | cut -f 1)
architecture=$("$OBJDUMP" -f "$agent" | sed -n 's/^architecture: *\([^,]*\).*/\1/p')
case $architecture in
  *x86-64) architecture=x86_64 ;;
esac

tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/agent.tar" bin lib lib-fallback share
gzip -n -6 "$work/agent.tar"
sha256=$(sha256sum "$work/agent.tar.gz" | cut -d ' ' -f 1)

mkdir -p "$folder"
cp "$work/agent.tar.gz" "$folder/fleet-agent.tar.gz"
cp "$unit" "$folder/fleet-agent.service"
"$(dirname "$0")/sbom.py" "$(dirname "$agent")/.." fleet-agent >"$folder/fleet-agent.cdx.json"
printf '{"archive": "fleet-agent.tar.gz", "sha256": "%s", "architecture": "%s", "glibc": "%s", "unpacked": %s, "version": "%s", "unit_sha256": "%s"}\n' \
  "$sha256" "$architecture" "${glibc#GLIBC_}" "$unpacked" "$version" "$(sha256sum <"$unit" | cut -d ' ' -f 1)" >"$folder/bundle.json"
