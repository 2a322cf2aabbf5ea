#!/usr/bin/env bash
# What the tests need of the machine besides Python: installs what is missing, on Debian, as root.
# Docker, QEMU and a registry are not installed: tools/docker.sh unpacks private ones.
set -euo pipefail

missing=()
for pair in npm:npm chromium:chromium chromedriver:chromium-driver systemd-analyze:systemd ip:iproute2 curl:curl git:git; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
