#!/usr/bin/env bash
# images/apt.sh FOLDER ARCHITECTURE SUITE… makes FOLDER/apt.conf, the configuration of an apt that
# knows these Debian suites of this architecture and leaves the machine's own apt alone:
# APT_CONFIG=FOLDER/apt.conf apt-get … . Mirrors are those of the machine's sources.
set -euo pipefail

folder=$1 architecture=$2
shift 2
if ! command -v apt-get > /dev/null; then
    echo "$0: no apt-get here; Debian's packages are fetched on Debian or Ubuntu" >&2
    exit 1
fi
mkdir -p "$folder"/{lists/partial,archives/partial}
folder=$(realpath "$folder")

sources() { apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 'Created-By: Packages'; }
known=$(sources | grep '^Debian ' || { apt-get update -qq >&2 && sources | grep '^Debian '; }) || {
    echo "$0: the machine's apt has no Debian source; use a machine with Debian, or a docker of your own" >&2
    exit 1
}
mirror=$(awk '$2 !~ /-(security|debug)$/ { print $3; exit }' <<< "$known")
security=$(awk '$2 ~ /-security$/ { print $3; exit }' <<< "$known")
keys=/usr/share/keyrings/debian-archive-keyring.gpg
options="arch=$architecture"
[ -e "$keys" ] && options+=" signed-by=$keys"
for suite; do
    case $suite in
    *-security) [ -z "$security" ] || echo "deb [$options] $security $suite main" ;;
    *) echo "deb [$options] $mirror $suite main" ;;
    esac
done > "$folder/sources.list"
: > "$folder/status"
cat > "$folder/apt.conf" << EOF
Dir::Etc::SourceList "$folder/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "$folder";
Dir::State::Status "$folder/status";
Dir::Cache "$folder";
Dir::Cache::Archives "archives";
Dir::Log "$folder";
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Debug::NoLocking "true";
DPkg::Use-Pty "false";
EOF
# The lists are fetched again after a day, or when the suites changed.
if ! cmp -s "$folder/sources.list" "$folder/fetched" || [ -z "$(find "$folder/fetched" -mmin -1440)" ]; then
    # A mirror in the middle of a change spoils one list; the packages of the others can be had.
    if APT_CONFIG=$folder/apt.conf apt-get update -qq 2> "$folder/complaints"; then
        cp "$folder/sources.list" "$folder/fetched"
    else
        echo "$0: warning: $(grep -m 1 '^E:' "$folder/complaints" | sed 's|[a-z]*://[^ ]*/dists/||')" >&2
    fi
fi
