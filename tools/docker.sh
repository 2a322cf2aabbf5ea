#!/usr/bin/env bash
# tools/docker.sh start|stop|env: the docker that images are built and tested with.
#   start         uses the machine's docker when it can build for two architectures; else, as root on
#                 Debian, unpacks a private one into .docker/ and starts it. Registers QEMU.
#   stop          stops what start started; stop --clean also removes its images and caches
#   env           prints the variables of that docker: eval "$(tools/docker.sh env)"
# TWITE_DOCKER=private never looks at the machine's own docker.
set -euo pipefail
cd "$(dirname "$0")/.."

HOME_DIR=$PWD/.docker
NUMBER=$(cksum <<< "$PWD" | cut -d' ' -f1)
RUN_DIR=/run/twite-docker-$NUMBER
# Of this checkout alone: another one's docker keeps its own, also when this one stops.
BRIDGE=twite-$((NUMBER % 250))
FORMATS=${BINFMT_MISC:-/proc/sys/fs/binfmt_misc}
LEAST_BUILDX=0.13

say() { echo "docker.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

start() {
    if is_private_running || is_machines_good; then
        register_qemu
        return
    fi
    [ "$(id -u)" = 0 ] || fail "$why; install docker with buildx $LEAST_BUILDX or newer, or run this as root on Debian for a private one"
    say "$why; starting a private docker in .docker/"
    unpack
    start_private
    register_qemu
}

is_private_running() {
    [ -e "$HOME_DIR/docker.pid" ] && kill -0 "$(cat "$HOME_DIR/docker.pid")" 2> /dev/null
}

# Sets $why when the machine's own docker cannot build the images.
is_machines_good() {
    why="TWITE_DOCKER is private"
    [ "${TWITE_DOCKER:-}" != private ] || return
    why="no docker here answers"
    docker version > /dev/null 2>&1 || return
    local found
    found=$(docker buildx version 2> /dev/null | grep -Eo '[0-9]+\.[0-9]+' | head -1) || true
    why="docker's buildx is ${found:-missing}; images need $LEAST_BUILDX or newer"
    printf '%s\n' "$LEAST_BUILDX" "${found:-0}" | sort -CV || return
    why="docker keeps one architecture an image; set \"features\": {\"containerd-snapshotter\": true} in its daemon.json"
    docker info --format '{{.DriverStatus}}' | grep -q snapshotter
}

unpack() {
    [ -e "$HOME_DIR/root/.made" ] && return
    rm -rf "$HOME_DIR/root"
    mkdir -p "$HOME_DIR/root" "$HOME_DIR/debs"
    images/apt.sh "$HOME_DIR/apt" amd64 bookworm bookworm-backports trixie
    # runc is bookworm's: trixie's needs a newer libc. QEMU 7.2 of bookworm crashes on LiteRT.
    (cd "$HOME_DIR/debs" && APT_CONFIG=$HOME_DIR/apt/apt.conf apt-get download -qq \
        {docker.io,docker-cli,docker-buildx,docker-compose,containerd,docker-registry}/trixie \
        {runc,prometheus}/bookworm qemu-user/bookworm-backports)
    for deb in "$HOME_DIR"/debs/*.deb; do dpkg-deb --extract "$deb" "$HOME_DIR/root"; done
    find "$HOME_DIR/root/usr/bin" -name 'qemu-*' ! -name qemu-aarch64 ! -name qemu-arm -delete
    rm -rf "$HOME_DIR/debs" "$HOME_DIR/apt" "$HOME_DIR"/root/usr/share "$HOME_DIR"/root/usr/bin/containerd-shim{,-runc-v1}
    mkdir -p "$HOME_DIR/config"
    echo "{\"cliPluginsExtraDirs\": [\"$HOME_DIR/root/usr/libexec/docker/cli-plugins\"]}" > "$HOME_DIR/config/config.json"
    touch "$HOME_DIR/root/.made"
}

# A bridge of its own and docker's userland proxy: no rule of the machine's firewall is touched.
start_private() {
    local features='"features": {"containerd-snapshotter": true}'
    local network="\"iptables\": false, \"ip6tables\": false, \"ip-forward\": false, \"ip-masq\": false, \"bridge\": \"$BRIDGE\""
    command -v ip > /dev/null || fail "there is no ip, which makes the containers' bridge; install iproute2"
    if ! ip link show "$BRIDGE" > /dev/null 2>&1; then
        ip link add "$BRIDGE" type bridge && ip address add "10.214.$((NUMBER % 250)).1/24" dev "$BRIDGE" && ip link set "$BRIDGE" up
    fi
    mkdir -p "$RUN_DIR"
    echo "{$features, $network, \"builder\": {\"gc\": {\"enabled\": true, \"defaultKeepStorage\": \"12GB\"}}}" > "$HOME_DIR/daemon.json"
    PATH=$(private_path) setsid dockerd --config-file "$HOME_DIR/daemon.json" --data-root "$HOME_DIR/data" \
        --exec-root "$RUN_DIR" --pidfile "$HOME_DIR/docker.pid" --host "unix://$RUN_DIR/docker.sock" \
        > "$HOME_DIR/log" 2>&1 < /dev/null &
    eval "$(env_private)"
    for _ in $(seq 300); do
        docker version > /dev/null 2>&1 && return
        kill -0 $! 2> /dev/null || break
        sleep 0.2
    done
    tail -5 "$HOME_DIR/log" >&2
    fail "dockerd did not start; its log is .docker/log"
}

stop() {
    if is_private_running; then
        local pid
        pid=$(cat "$HOME_DIR/docker.pid")
        kill "$pid"
        for _ in $(seq 150); do
            kill -0 "$pid" 2> /dev/null || break
            sleep 0.2
        done
        ! ip link show "$BRIDGE" > /dev/null 2>&1 || ip link delete "$BRIDGE" || true
    fi
    if [ -e "$HOME_DIR/registered" ]; then
        while read -r name; do [ ! -e "$FORMATS/$name" ] || echo -1 > "$FORMATS/$name"; done < "$HOME_DIR/registered"
        rm "$HOME_DIR/registered"
    fi
    if [ -e "$HOME_DIR/mounted" ]; then
        umount "$FORMATS" || true
        rm "$HOME_DIR/mounted"
    fi
    # A network namespace that a container had may be mounted still.
    awk -v folder="$RUN_DIR/" 'index($2, folder) == 1 { print $2 }' /proc/mounts | xargs -r umount -l || true
    # A docker that was killed leaves its folder mounted on itself, and so does the next one.
    ! mountpoint -q "$HOME_DIR/data" || umount "$HOME_DIR/data" || true
    rm -rf "$RUN_DIR" "$HOME_DIR/docker.pid" || say "$RUN_DIR could not be removed"
    [ "${1:-}" != --clean ] || rm -rf "$HOME_DIR/data"
}

# Other architectures run under QEMU: O(pen), P(reserve argv[0]), F(ixed: works inside containers).
register_qemu() {
    [ -e "$FORMATS/register" ] || { [ "$(id -u)" = 0 ] && mount -t binfmt_misc binfmt_misc "$FORMATS" 2> /dev/null && touch "$HOME_DIR/mounted"; } || true
    register qemu-aarch64 '\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00' '\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    register qemu-arm '\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00' '\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
}

register() {
    [ ! -e "$FORMATS/$1" ] || return 0
    local emulator=$HOME_DIR/root/usr/bin/$1
    [ -x "$emulator" ] || emulator=$(command -v "$1-static" || command -v "$1" || true)
    if [ -z "$emulator" ] || ! { echo ":$1:M::$2:$3:$emulator:OPF" > "$FORMATS/register"; } 2> /dev/null; then
        say "$1 is not registered: images of that architecture build and do not run here; install qemu-user-static 8 or newer, or run this as root"
        return
    fi
    echo "$1" >> "$HOME_DIR/registered"
}

private_path() { echo "$HOME_DIR/root/usr/sbin:$HOME_DIR/root/usr/bin:$PATH"; }

env_private() {
    echo "export PATH='$(private_path)' DOCKER_HOST='unix://$RUN_DIR/docker.sock' DOCKER_CONFIG='$HOME_DIR/config'"
}

env() {
    if is_private_running; then
        env_private
    elif ! is_machines_good; then
        fail "$why; run \`tools/docker.sh start\` first"
    fi
}

case ${1:-} in
start | stop | env) "$@" ;;
*) sed -n '2,8s/^# //p' "$0" >&2; exit 2 ;;
esac
