#!/usr/bin/env bash
# tools/environment.sh FOLDER PYTHON (LOCK | NAME==VERSION)… -- PROJECT…
# Makes the virtual environment FOLDER: first the hashed LOCKs and what is named with its version,
# then the PROJECTs, editable.
set -euo pipefail

folder=$1 python=$2
shift 2

wanted='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
for candidate in "$python" python3.13 python3.12 python3.11 none; do
    "$candidate" -c "$wanted" 2>/dev/null && break
done
if [ "$candidate" = none ]; then
    came=$("$python" --version 2>/dev/null || echo "not installed")
    echo "$python is ${came#Python }; Twite is developed with Python 3.11, 3.12 or 3.13." >&2
    echo "Install one (Debian, Ubuntu: apt install python3.11 python3.11-venv), then: make PYTHON=python3.11 …" >&2
    exit 1
fi

rm -rf "$folder"
if ! "$candidate" -m venv "$folder"; then
    version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "$candidate has no working venv module; on Debian and Ubuntu: apt install python$version-venv" >&2
    rm -rf "$folder"
    exit 1
fi

pip=("$folder/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps)
echo "Installing the packages of $* into $folder …" >&2
while [ "$1" != -- ]; do
    case $1 in
    *==*) "$folder/bin/python" -m pip --disable-pip-version-check install --quiet "$1" ;;
    *) "${pip[@]}" --only-binary :all: --require-hashes --requirement "$1" ;;
    esac
    shift
done
shift
[ $# = 0 ] || "${pip[@]}" --no-build-isolation "${@/#/--editable=}"
touch "$folder/.made"
