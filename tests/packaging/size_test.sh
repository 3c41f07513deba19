#!/bin/sh
# size_test.sh PROGRAM LIMIT: the program without its symbols is no larger than LIMIT bytes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
strip -o "$folder/program" "$1"
size=$(stat -c %s "$folder/program")
echo "$1 without symbols: $size bytes, at most $2"
[ "$size" -le "$2" ]
