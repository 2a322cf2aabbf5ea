#!/usr/bin/env bash
# edge/install.sh [BUNDLE]: the runtime into PREFIX (/opt/twite), a systemd service on top.
# Again with another BUNDLE replaces the model: the new one lies whole beside the old one before
# they are exchanged. ROOT=folder installs below a folder and starts nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

bundle=${1:-} root=${ROOT:-} prefix=${PREFIX:-/opt/twite}
fail() { echo "install.sh: $*" >&2; exit 1; }
[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "installing into $prefix needs root: sudo make edge-install BUNDLE=$bundle"
[ -z "$bundle" ] || [ -e "$bundle/bundle.json" ] || fail "$bundle is no bundle: it has no bundle.json"
python=$(command -v "${PYTHON:-python3}") || fail "there is no ${PYTHON:-python3}; Debian: apt install python3 python3-venv"
case $(uname -m) in
x86_64 | aarch64) lock=locks/edge.txt ;;
armv7l) lock=locks/edge-arm.txt ;;
*) fail "there are no wheels for $(uname -m); it runs on x86_64, aarch64 and armv7l" ;;
esac

place=$root$prefix unit=$root/etc/systemd/system/twite.service
trap 'rm -rf "$place/venv.new" "$place"/bundle-*.part "$place/edge.md.new" "$unit.new"' EXIT

# Whole or not at all, also on a full disk.
put() {
    cmp -s "$1" "$2" && return
    { mkdir -p "$(dirname "$2")" && cp "$1" "$2.new" && chmod 644 "$2.new" && mv "$2.new" "$2"; } ||
        fail "$2 was not written; the line above says why"
}

if [ ! -x "$place/venv/bin/twite" ] || [ -n "${UPGRADE:-}" ]; then
    mkdir -p "$place"
    rm -rf "$place/venv.new"
    # 32-bit ARM takes numpy, Pillow, httptools and uvloop from Debian.
    "$python" -m venv $([ "$lock" = locks/edge.txt ] || echo --system-site-packages) "$place/venv.new"
    "$place/venv.new/bin/python" -m pip --quiet install --no-deps --only-binary :all: --require-hashes --requirement "$lock"
    site=$("$place/venv.new/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    cp -r runtime/twite "$site/"
    printf '#!%s/venv/bin/python\nfrom twite.cli import main\nmain()\n' "$prefix" > "$place/venv.new/bin/twite"
    chmod 755 "$place/venv.new/bin/twite"
    "$place/venv.new/bin/python" -m compileall -q "$site/twite"
    sync -f "$place/venv.new"
    rm -rf "$place/venv.old"
    [ ! -e "$place/venv" ] || mv "$place/venv" "$place/venv.old"
    mv "$place/venv.new" "$place/venv"
    rm -rf "$place/venv.old"
fi
put edge/twite.service "$unit"
put docs/edge.md "$place/edge.md"

if [ -n "$bundle" ]; then
    # A name of its own each time: the folder that is served is never touched.
    part=$(mktemp -d "$place/bundle-$(sha256sum "$bundle/bundle.json" | cut -c1-12).XXXXXX.part") && new=${part%.part}
    why=$(cp -r "$bundle/." "$part" 2>&1) || fail "$bundle was not installed, what was there stays: ${why%%$'\n'*}"
    chmod -R u=rwX,go=rX "$part"
    sync -f "$part"
    mv "$part" "$new"
    # One rename exchanges them: at every moment model is a whole bundle.
    ln -sfn "$(basename "$new")" "$place/model.new"
    mv -T "$place/model.new" "$place/model"
    sync -f "$place"
    find "$place" -maxdepth 1 -name 'bundle-*' ! -name "$(basename "$new")" -exec rm -rf {} +
fi

[ -z "$root" ] || exit 0
systemctl daemon-reload
systemctl enable --quiet twite.service
systemctl restart twite.service
echo "twite.service runs: twite health; journalctl -u twite"
