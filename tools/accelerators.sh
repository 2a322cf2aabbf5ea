#!/usr/bin/env bash
# tools/accelerators.sh FOLDER SUITE
# Unpacks Mesa's software Vulkan of a Debian suite ("" is the machine's own) into FOLDER. Nothing is
# installed; the sources are this machine's, so a mirror of it serves the other suite too.
set -euo pipefail

folder=$1 suite=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{etc,lists/partial,cache/archives/partial}

deb822=$(grep -lsE '^URIs:.*/debian/? *$' /etc/apt/sources.list.d/*.sources | head -1 || true)
if [ -n "$deb822" ]; then
    # The first paragraph with a suite that is not the security one.
    awk -v RS= -v extra="$suite" '/^URIs:.*\/debian\/? *$/ || /\nURIs:[^\n]*\/debian\/? *(\n|$)/ {
        if (extra != "") sub(/Suites:/, "Suites: " extra)
        print; print ""
    }' "$deb822" >"$work/etc/debian.sources"
else
    grep -hsE '^deb .*/debian/? ' /etc/apt/sources.list >"$work/etc/debian.list" || true
    [ -z "$suite" ] || sed -nE "1s#^(deb .*/debian/? )[^ ]+#\1$suite#p" "$work/etc/debian.list" >>"$work/etc/debian.list"
fi
if ! ls "$work"/etc/* >/dev/null 2>&1; then
    echo "no Debian source among this machine's apt sources: software Vulkan comes from Debian" >&2
    exit 1
fi

apt=(apt-get -qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/etc"
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o Debug::NoLocking=1
    -o APT::Sandbox::User=root)
"${apt[@]}" update
"${apt[@]}" install --yes --no-install-recommends --download-only ${suite:+--target-release "$suite"} \
    mesa-vulkan-drivers libvulkan1 >/dev/null

rm -rf "$folder"
mkdir -p "$folder"
for package in "$work"/cache/archives/*.deb; do
    dpkg --extract "$package" "$folder"
done
rm -rf "$folder"/usr/share/{doc,man,locale,bug,lintian}
# A driver's manifest names its library by a path or by a bare name: here it is in FOLDER.
root=$(cd "$folder" && pwd)
sed -i -E "s#(\"library_path\": *\")([^\"]*/)?([^\"/]+\")#\1$(dirname "$(find "$root/usr/lib" -name libvulkan_lvp.so)")/\3#" \
    "$folder"/usr/share/vulkan/icd.d/lvp_icd*.json
touch "$folder/.made"
