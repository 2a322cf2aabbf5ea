#!/usr/bin/env bash
# images/fetch.sh system|packages PARENT ARCHITECTURE VARIANT: into PARENT/ARCHITECTURE, what an
# image of that architecture is made of: Debian's packages, or the wheels of a lock.
# `emulator` instead makes PARENT/emulator: AWS's emulator and a shell, for both of Lambda's.
# `compiler` makes PARENT/ARCHITECTURE, a Debian that compiles there for amd64 and arm64, `sources`
# PARENT/ARCHITECTURE, what images/compile.py makes numpy of there.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=$1 folder=${2%/}/$3 architecture=$3 variant=$4

debian=(python3.11-minimal libpython3.11-stdlib libstdc++6 base-files)
case $variant in
cpu | edge) ;;
edgetpu) debian+=(libusb-1.0-0) ;;
gpu) debian+=(libvulkan1) ;;
lambda | slim) ;;
*) echo "$0: there is no variant '$variant'; it is cpu, edgetpu, gpu, lambda or slim" >&2; exit 2 ;;
esac
locks=(locks/edge.txt)
[ "$variant" != lambda ] || locks=(locks/lambda.txt)
if [ "$architecture" = arm ]; then
    debian+=(python3-numpy python3-uvloop python3-httptools python3-pil)
    locks=(locks/edge-arm.txt)
fi

# The one of amd64 and arm64 that this is not built on, as compilers and as Debian name it.
other=aarch64-linux-gnu others=arm64
[ "$architecture" != arm64 ] || other=x86-64-linux-gnu others=amd64

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
compiler)
    images/system.sh "$folder" "$architecture" coreutils dash g++-12 "g++-12-$other" gcc-12 ninja-build libpython3.11-dev python3.11-minimal
    # A third of it optimizes whole programs, finds leaks or links what is not linked here.
    rm -rf "$folder"/usr/share/{doc,locale,man}
    find "$folder/usr" \( -name lto1 -o -name '*lto-dump*' -o -name 'lib*san.*' -o -name 'libpython*.a' \
        -o -name '*.gold' -o -name '*-dwp' \) -delete
    ;;
sources)
    rm -rf "$folder"
    mkdir -p "$folder/include"
    images/sources.sh "$folder" locks/slim.txt
    cache=${CACHE:-$(mktemp -d)}/apt-$others
    images/apt.sh "$cache" "$others" bookworm bookworm-updates bookworm-security
    rm -f "$cache"/archives/*.deb
    settings=$(realpath "$cache")/apt.conf
    (cd "$cache/archives" && APT_CONFIG=$settings apt-get download -qq libpython3.11-dev)
    dpkg-deb --fsys-tarfile "$cache"/archives/libpython3.11-dev_*.deb \
        | tar --extract --directory "$folder/include" --strip-components 3 --wildcards './usr/include/*/python3.11/*'
    ;;
esac
