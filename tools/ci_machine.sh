#!/usr/bin/env bash
# What the tests need of the machine besides Python: installs what is missing, on Debian, as root.
set -euo pipefail

missing=()
for pair in npm:npm chromium:chromium chromedriver:chromium-driver; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
