#!/usr/bin/env bash
# tools/function.sh run|sam: the function's image on this machine, with BUNDLE inside, until Ctrl-C.
#   run   in Lambda's emulator: POST an event to :$PORT/2015-03-31/functions/function/invocations
#   sam   behind `sam local start-api`: HTTP on :$PORT
set -euo pipefail
cd "$(dirname "$0")/.."

port=${PORT:-9000}
case ${1:-} in
run)
    tools/images.sh lambda-emulated
    eval "$(tools/docker.sh env)"
    echo "POST events to http://127.0.0.1:$port/2015-03-31/functions/function/invocations, Ctrl-C ends" >&2
    exec docker run --rm --init=false --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
        --publish "127.0.0.1:$port:8080" "${REGISTRY:-twite}/lambda-emulated:${VERSION:-0.1.0}"
    ;;
sam)
    tools/images.sh lambda-sam
    eval "$(tools/docker.sh env)"
    mkdir -p .docker/sam
    cat > .docker/sam/template.yaml << EOF
Transform: AWS::Serverless-2016-10-31
Resources:
  Twite:
    Type: AWS::Serverless::Function
    Properties:
      PackageType: Image
      ImageUri: ${REGISTRY:-twite}/lambda-sam:${VERSION:-0.1.0}
      MemorySize: 512
      Timeout: 29
      Events:
        Any: {Type: HttpApi, Properties: {Path: '/{proxy+}', Method: ANY}}
EOF
    # Its own folder of settings: nothing is read or written at home.
    HOME=$PWD/.docker/sam SAM_CLI_TELEMETRY=0 exec .venvs/sam/bin/sam local start-api --skip-pull-image \
        --template .docker/sam/template.yaml --host 127.0.0.1 --port "$port"
    ;;
*) sed -n '2,4s/^# //p' "$0" >&2; exit 2 ;;
esac
