#!/usr/bin/env bash
# images/fetch.sh system|packages PARENT ARCHITECTURE VARIANT: into PARENT/ARCHITECTURE, what an
# image of that architecture is made of: Debian's packages, or the wheels of a lock.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=$1 folder=${2%/}/$3 architecture=$3 variant=$4

debian=(python3.11-minimal libpython3.11-stdlib libstdc++6 base-files)
case $variant in
cpu | edge) ;;
edgetpu) debian+=(libusb-1.0-0) ;;
gpu | jetson) debian+=(libvulkan1) ;;
lambda) ;;
sam) debian+=(busybox-static) ;;
*) echo "$0: there is no variant '$variant'; it is cpu, edgetpu, gpu, jetson or lambda" >&2; exit 2 ;;
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
esac
