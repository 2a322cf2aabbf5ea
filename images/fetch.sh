#!/usr/bin/env bash
# images/fetch.sh system|packages PARENT ARCHITECTURE VARIANT: into PARENT/ARCHITECTURE, what an
# image of that architecture is made of: Debian's packages, or the wheels of a lock.
# `emulator` instead makes PARENT/emulator: AWS's emulator and a shell, for both of Lambda's.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=$1 folder=${2%/}/$3 architecture=$3 variant=$4

debian=(python3.11-minimal libpython3.11-stdlib libstdc++6 base-files)
case $variant in
cpu | edge) ;;
edgetpu) debian+=(libusb-1.0-0) ;;
gpu) debian+=(libvulkan1) ;;
lambda) ;;
*) echo "$0: there is no variant '$variant'; it is cpu, edgetpu, gpu or lambda" >&2; exit 2 ;;
esac
locks=(locks/edge.txt)
[ "$variant" != lambda ] || locks=(locks/lambda.txt)
if [ "$architecture" = arm ]; then
    debian+=(python3-numpy python3-uvloop python3-httptools python3-pil)
    locks=(locks/edge-arm.txt)
fi

case $kind in
system) images/system.sh "$folder" "$architecture" "${debian[@]}" ;;
packages) images/packages.sh "$folder" "$architecture" "${locks[@]}" ;;
emulator)
    wheel=$(mktemp -d)
    trap 'rm -rf "$wheel"' EXIT
    images/packages.sh "$wheel/site" amd64 locks/emulator.txt
    emulator=${2%/}/emulator
    for machine in x86_64:amd64 arm64:arm64; do
        mkdir -p "$emulator/${machine#*:}"
        install "$wheel/site/samcli/local/rapid/aws-lambda-rie-${machine%:*}" "$emulator/${machine#*:}/aws-lambda-rie"
        images/system.sh "$wheel/shell" "${machine#*:}" busybox-static
        install "$wheel/shell/bin/busybox" "$emulator/${machine#*:}/busybox"
    done
    mkdir -p "$emulator/links"
    for name in sh mv chmod; do ln -sf busybox "$emulator/links/$name"; done
    ;;
esac
