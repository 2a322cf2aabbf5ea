#!/usr/bin/env bash
# images/sources.sh FOLDER LOCK fetches the source of numpy and cython, with the hashes of LOCK, into
# FOLDER. Nothing is compiled and nothing of them is run.
set -euo pipefail

folder=$1 lock=$2
python=${PYTHON:-python3}
stand_in=$(mktemp -d)
trap 'rm -rf "$stand_in"' EXIT
# pip asks what builds numpy for its name and version; the real one would configure all of it.
cat > "$stand_in/mesonpy.py" << 'EOF'
import pathlib
import shutil


def prepare_metadata_for_build_wheel(folder, settings=None):
    info = pathlib.Path(folder, "numpy.dist-info")
    info.mkdir()
    shutil.copy("PKG-INFO", info / "METADATA")
    return info.name
EOF
PYTHONPATH=$stand_in "$python" -m pip --disable-pip-version-check --quiet download --dest "$folder" \
    --no-deps --require-hashes --no-build-isolation --no-binary numpy --only-binary cython \
    --requirement "$lock" 2> >(grep -v 'is ignored' >&2)
"$python" -m zipfile --extract "$folder"/cython-*.whl "$folder/cython"
rm "$folder"/cython-*.whl
