#!/usr/bin/env bash
# tools/images.sh [BAKE OPTIONS] TARGET…: docker buildx bake, on this machine's docker or a private
# one (tools/docker.sh), with BUNDLE, REGISTRY and VERSION from the environment. Where Debian's
# images cannot be pulled, CONTEXTS=yes fetches what they are made of from Debian and PyPI alone.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "${BUNDLE:-}" ] && [ ! -e "$BUNDLE/bundle.json" ]; then
    echo "images.sh: $BUNDLE is no bundle: it has no bundle.json; \`twite build RECIPE -o $BUNDLE\` makes one" >&2
    exit 2
fi
if [[ " $* " == *" lambda"* ]] && [ -z "${BUNDLE:-}" ]; then
    echo "images.sh: a function's image holds its bundle: BUNDLE=dist/digits …" >&2
    exit 2
fi
tools/docker.sh start
eval "$(tools/docker.sh env)"

# fetch VARIANT ARCHITECTURE…
fetch() {
    local variant=$1 architecture kind parent kinds=(system packages)
    shift
    [ "$variant" != slim ] || kinds=(compiler sources)
    for kind in "${kinds[@]}"; do
        parent=.docker/contexts/$variant/$kind
        for architecture; do
            inputs=$(cat images/{fetch,system,packages,sources,apt}.sh locks/{edge,edge-arm,lambda,emulator,slim}.txt | cksum)
            [ "$(cat "$parent/$architecture.made" 2> /dev/null)" = "$inputs" ] && continue
            mkdir -p "$parent" .docker/cache
            CACHE=.docker/cache PYTHON=.venv/bin/python images/fetch.sh "$kind" "$parent" "$architecture" "$variant"
            echo "$inputs" > "$parent/$architecture.made"
        done
    done
}

fetch_emulator() {
    [ -e .docker/contexts/emulator/emulator/links/sh ] && return
    CACHE=.docker/cache PYTHON=.venv/bin/python images/fetch.sh emulator .docker/contexts/emulator all lambda
}

# A private docker has no registry to pull from.
: "${CONTEXTS:=$([[ ${DOCKER_HOST:-} == *twite-docker* ]] && echo yes)}"
if [ "$CONTEXTS" = yes ]; then
    for target in "$@"; do
        case $target in
        edge | default) fetch cpu amd64 arm64 ;;
        edge-armv7) fetch cpu amd64 arm ;;
        edge-edgetpu | edge-gpu) fetch "${target#edge-}" amd64 arm64 ;;
        edge-jetson) fetch gpu amd64 arm64 ;;
        everything) fetch cpu amd64 arm64 arm; for variant in edgetpu gpu; do fetch $variant amd64 arm64; done ;;
        lambda-slim*) fetch lambda amd64 arm64; fetch slim "$(dpkg --print-architecture)"; fetch_emulator ;;
        lambda*) fetch lambda amd64 arm64; fetch_emulator ;;
        esac
    done
    CONTEXTS=$PWD/.docker/contexts
fi
export CONTEXTS BUNDLE=${BUNDLE:+$(realpath "$BUNDLE")}
REVISION=${REVISION-$(git rev-parse HEAD 2> /dev/null || true)}
export REVISION
exec docker buildx bake --file docker-bake.hcl "$@"
