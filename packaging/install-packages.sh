#!/bin/sh
# install-packages.sh PURPOSE...: installs what is missing of packages.txt for the purposes (build, demo, package, site, test).
# Does nothing, and needs no rights, when everything is there. Uses sudo when not root.
set -eu
list=$(dirname "$0")/packages.txt
[ $# -gt 0 ] || { echo "usage: $0 PURPOSE... (build demo package site test)" >&2; exit 64; }

missing=
for purpose in "$@"; do
  wanted=$(awk -v p="$purpose" '!/^#/ && index("," $2 ",", "," p ",") { print $1 }' "$list")
  [ -n "$wanted" ] || { echo "$0: no package has the purpose '$purpose'" >&2; exit 64; }
  for package in $wanted; do
    case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
      *' ok installed') ;;
      *) missing="$missing $package" ;;
    esac
  done
done
[ -n "$missing" ] || exit 0

root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "$0: run as root or install sudo; missing:$missing" >&2; exit 1; }
  root=sudo
fi
echo "installing:$missing"
# A third-party source of the machine may be out of reach; what matters is whether the install works.
$root apt-get -q update || echo "apt-get update had failures; going on" >&2
# shellcheck disable=SC2086  # a list of words
$root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing
