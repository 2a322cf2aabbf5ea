#!/usr/bin/env bash
# images/packages.sh FOLDER ARCHITECTURE LOCK… unpacks the wheels of the hashed LOCKs for Linux on
# ARCHITECTURE into FOLDER. Wheels only: nothing is compiled, nothing is run.
set -euo pipefail

folder=$1 architecture=$2
shift 2
# pip matches each tag literally, so every manylinux that Debian 12 satisfies is named.
case $architecture in
amd64) machine=x86_64 ;;
arm64) machine=aarch64 ;;
arm) machine=armv7l ;;
*) echo "$0: no wheels are known for '$architecture'; it is amd64, arm64 or arm" >&2; exit 2 ;;
esac
options=()
for tag in manylinux_2_{36,35,34,31,28,27,26,24,17,12,5} manylinux2014 manylinux2010 manylinux1 linux; do
    options+=(--platform "${tag}_$machine")
done
for lock; do options+=(--requirement "$lock"); done
rm -rf "$folder"
mkdir -p "$folder"
"${PYTHON:-python3}" -m pip --disable-pip-version-check --quiet install --target "$folder" --no-deps \
    --only-binary :all: --require-hashes --python-version 3.11 --implementation cp --no-compile \
    --root-user-action ignore "${options[@]}" 2> >(grep -v 'is ignored' >&2)
rm -rf "$folder/bin"
