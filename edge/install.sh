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

if [ ! -x "$root$prefix/venv/bin/twite" ] || [ -n "${UPGRADE:-}" ]; then
    mkdir -p "$root$prefix"
    rm -rf "$root$prefix/venv.new"
    # 32-bit ARM takes numpy, Pillow, httptools and uvloop from Debian.
    "$python" -m venv $([ "$lock" = locks/edge.txt ] || echo --system-site-packages) "$root$prefix/venv.new"
    "$root$prefix/venv.new/bin/python" -m pip --quiet install --no-deps --only-binary :all: --require-hashes --requirement "$lock"
    site=$("$root$prefix/venv.new/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    cp -r runtime/twite "$site/"
    printf '#!%s/venv/bin/python\nfrom twite.cli import main\nmain()\n' "$prefix" > "$root$prefix/venv.new/bin/twite"
    chmod 755 "$root$prefix/venv.new/bin/twite"
    "$root$prefix/venv.new/bin/python" -m compileall -q "$site/twite"
    rm -rf "$root$prefix/venv"
    mv "$root$prefix/venv.new" "$root$prefix/venv"
fi

if [ -n "$bundle" ]; then
    new=$root$prefix/bundle-$(sha256sum "$bundle/bundle.json" | cut -c1-12)
    rm -rf "$new.part"
    cp -r "$bundle" "$new.part"
    chmod -R u=rwX,go=rX "$new.part"
    sync -f "$new.part"
    rm -rf "$new"
    mv "$new.part" "$new"
    # One rename exchanges them: at every moment /model is a whole bundle.
    ln -sfn "$(basename "$new")" "$root$prefix/model.new"
    mv -T "$root$prefix/model.new" "$root$prefix/model"
    find "$root$prefix" -maxdepth 1 -name 'bundle-*' ! -name "$(basename "$new")" -exec rm -rf {} +
fi

install -D -m 644 edge/twite.service "$root/etc/systemd/system/twite.service"
install -D -m 644 docs/edge.md "$root$prefix/edge.md"
[ -z "$root" ] || exit 0
systemctl daemon-reload
systemctl enable --quiet twite.service
systemctl restart twite.service
echo "twite.service runs: twite health; journalctl -u twite"
