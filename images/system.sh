#!/usr/bin/env bash
# images/system.sh FOLDER ARCHITECTURE PACKAGE… unpacks these Debian packages and what they depend
# on into FOLDER. Nothing is run: any architecture's files are made on any other.
# FOLDER/var/lib/dpkg/status.d keeps what each package says of itself, for lists of contents.
set -euo pipefail

folder=$1 architecture=$2
shift 2
cache=${CACHE:-$(mktemp -d)}/apt-$architecture
# Docker says arm, Debian armhf.
[ "$architecture" != arm ] || architecture=armhf
"$(dirname "$0")/apt.sh" "$cache" "$architecture" bookworm bookworm-updates bookworm-security
rm -f "$cache"/archives/*.deb
export APT_CONFIG=$cache/apt.conf
apt-get install -qq --yes --download-only "$@" > /dev/null
rm -rf "$folder"
mkdir -p "$folder/var/lib/dpkg/status.d"
for deb in "$cache"/archives/*.deb; do
    name=$(dpkg-deb --field "$deb" Package)
    dpkg-deb --extract "$deb" "$folder"
    dpkg-deb --field "$deb" > "$folder/var/lib/dpkg/status.d/$name"
    dpkg-deb --fsys-tarfile "$deb" | tar --list | sed -n 's|^\./||p' | grep -v '/$' \
        > "$folder/var/lib/dpkg/status.d/$name.list" || true
done
