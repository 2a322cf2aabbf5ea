#!/usr/bin/env bash
# What the tests need of the machine besides Python: installs what is missing, on Debian, as root.
set -euo pipefail

missing=()
for command in npm; do
    command -v "$command" >/dev/null || missing+=("$command")
done
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
