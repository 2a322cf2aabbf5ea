"""Deploy the image of a bundle with SAM, or take the alias back to the version before.

.venvs/sam/bin/python lambda/deploy.py deploy BUNDLE | rollback, as `make lambda-deploy` and
`make lambda-rollback` do. Both say what they would do, and do it with --yes (CONFIRM=yes).
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

HERE = Path(__file__).parent
ALIAS = "live"


class Refused(Exception):
    """What is missing or wrong, and what to do."""


class Target(NamedTuple):
    """What is deployed where; repository is ECR's, without a tag."""

    stack: str
    image: str
    repository: str
    architecture: str
    memory_mb: str
    tag: str


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("step", choices=("deploy", "rollback"))
    parser.add_argument("bundle", type=Path, nargs="?", default=Path("dist/iris"))
    parser.add_argument("--yes", action="store_true", help="do it")
    options = parser.parse_args()
    is_meant = options.yes or os.environ.get("CONFIRM") == "yes"
    target = target_of(options.bundle)
    try:
        done = (deploy if options.step == "deploy" else rollback)(target, is_meant)
    except Refused as error:
        print(f"lambda-{options.step}: {error}", file=sys.stderr)
        return 2
    except (BotoCoreError, ClientError) as error:
        hint = "are AWS_REGION and credentials set?"
        print(f"lambda-{options.step}: {error}; {hint}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"lambda-{options.step}: {shlex.join(error.cmd)} failed", file=sys.stderr)
        return 1
    if not done:
        print(f"Nothing was done. To do it: make lambda-{options.step} CONFIRM=yes …")
    return 0


def target_of(bundle: Path) -> Target:
    """From the bundle's manifest and the environment, which docs/lambda.md lists."""
    try:
        manifest = json.loads((bundle / "bundle.json").read_text())
    except (OSError, ValueError) as error:
        raise SystemExit(f"{bundle} is no bundle: {error}") from error
    name, version = manifest["name"], manifest["version"]
    architecture = os.environ.get("ARCHITECTURE", "arm64")
    return Target(
        stack=os.environ.get("STACK", f"twite-{name}"),
        image=os.environ.get("IMAGE", f"twite-lambda:{name}-{architecture}"),
        repository=os.environ.get("REPOSITORY", ""),
        architecture=architecture,
        memory_mb=os.environ.get("MEMORY_MB", "512"),
        tag=f"{name}-{version}",
    )


def deploy(target: Target, is_meant: bool) -> bool:
    if not target.repository:
        raise Refused(
            "REPOSITORY is not set: make one with `aws ecr create-repository`, then "
            "REPOSITORY=ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME make lambda-deploy …"
        )
    pushed = f"{target.repository}:{target.tag}"
    print(f"{target.image} becomes stack {target.stack}, alias {ALIAS}:")
    show(["docker", "tag", target.image, pushed])
    show(["docker", "push", pushed])
    show(sam(target, f"{target.repository}@sha256:…"))
    if not is_meant:
        return False
    if shutil.which("docker") is None:
        raise Refused("docker is not installed; the image is pushed with it")
    login(target.repository)
    run(["docker", "tag", target.image, pushed])
    run(["docker", "push", pushed])
    found = subprocess.run(
        ["docker", "inspect", "--format", "{{json .RepoDigests}}", pushed],
        check=True,
        stdout=subprocess.PIPE,
    )
    digests = [each for each in json.loads(found.stdout) if each.startswith(target.repository)]
    if not digests:
        raise Refused(f"docker knows no digest of {pushed}; was it pushed?")
    run(sam(target, digests[0]))
    return True


def sam(target: Target, image: str) -> list[str]:
    parameters = {
        "ImageUri": image,
        "Architecture": target.architecture,
        "MemoryMb": target.memory_mb,
    }
    overrides = [f"{name}={text}" for name, text in parameters.items()]
    command = [str(Path(sys.executable).parent / "sam"), "deploy"]
    command += ["--template-file", str(HERE / "template.yaml"), "--stack-name", target.stack]
    command += ["--image-repository", target.repository, "--capabilities", "CAPABILITY_IAM"]
    return [*command, "--no-fail-on-empty-changeset", "--parameter-overrides", *overrides]


def login(repository: str) -> None:
    """Docker's login at ECR; the password goes through a pipe, not through an argument."""
    token = boto3.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = b64decode(token["authorizationToken"]).decode().partition(":")
    command = ["docker", "login", "--username", user, "--password-stdin", repository.split("/")[0]]
    subprocess.run(command, input=password, text=True, check=True)


def rollback(target: Target, is_meant: bool) -> bool:
    service = boto3.client("lambda")
    function = os.environ.get("FUNCTION_NAME") or function_of(target.stack)
    try:
        now = int(service.get_alias(FunctionName=function, Name=ALIAS)["FunctionVersion"])
    except service.exceptions.ResourceNotFoundException as error:
        raise Refused(f"{function} has no alias {ALIAS}: {error}") from error
    pages = service.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    # `$LATEST` is no version.
    found = [each["Version"] for page in pages for each in page["Versions"]]
    before = [int(version) for version in found if version.isdigit() and int(version) < now]
    if not before:
        raise Refused(f"{function} has no version before {now}; there is nothing to go back to")
    print(f"{function}: alias {ALIAS} goes from version {now} back to {max(before)}")
    if not is_meant:
        return False
    service.update_alias(FunctionName=function, Name=ALIAS, FunctionVersion=str(max(before)))
    return True


def function_of(stack: str) -> str:
    service = boto3.client("cloudformation")
    outputs = service.describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    names = [each["OutputValue"] for each in outputs if each["OutputKey"] == "FunctionName"]
    if not names:
        raise Refused(f"stack {stack} has no output FunctionName; set FUNCTION_NAME")
    return str(names[0])


def show(command: list[str]) -> None:
    print("  " + shlex.join(command))


def run(command: list[str]) -> None:
    show(command)
    subprocess.run(command, check=True, env=os.environ | {"SAM_CLI_TELEMETRY": "0"})


if __name__ == "__main__":
    sys.exit(main())
