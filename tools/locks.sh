#!/usr/bin/env bash
# tools/locks.sh [--upgrade]: resolve locks/*.txt anew from locks/*.in and the two distributions.
# No lock holds a registry's address. torch is installed by name and version (tools/environment.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
    .venv/bin/uv pip compile --config-file locks/uv.toml --quiet --universal --fork-strategy fewest \
        --python-version "${python:-3.11}" --generate-hashes --no-emit-index-url \
        --no-emit-find-links --custom-compile-command 'make locks' "${upgrade[@]}" "$@"
}

upgrade=("$@")
runtime=runtime/pyproject.toml
compile --no-emit-package twite --no-emit-package torch --all-extras build/pyproject.toml $runtime \
    locks/dev.in -o locks/dev.txt
compile -c locks/dev.txt --all-extras $runtime locks/runtime.in -o locks/runtime.txt
compile -c locks/dev.txt --extra image $runtime locks/lambda.in -o locks/lambda.txt
compile -c locks/dev.txt --extra serve --extra image --extra json $runtime -o locks/edge.txt
compile -c locks/dev.txt --no-deps locks/edge-arm.in -o locks/edge-arm.txt
compile -c locks/lambda.txt --no-deps locks/slim.in -o locks/slim.txt
compile --no-deps locks/examples.in -o locks/examples.txt
compile --no-deps locks/kserve.in -o locks/kserve.txt
python=3.12 compile locks/onnx.in -o build/twite_build/onnx_requirements.txt
for name in clients containers mlserver peers sam tflite-runtime vela; do
    compile "locks/$name.in" -o "locks/$name.txt"
done
compile -c locks/sam.txt --no-deps locks/emulator.in -o locks/emulator.txt
