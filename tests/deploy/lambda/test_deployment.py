"""The SAM template, the plan of a deployment, and the way back to the version before."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cloud import SAM, Cloud
from emulated import ROOT

TEMPLATE = ROOT / "lambda" / "template.yaml"
REPOSITORY = "000000000000.dkr.ecr.us-east-1.amazonaws.com/twite"


def run(command: list[Any], **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def deployment(step: str, bundle: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    script = ROOT / "lambda" / "deploy.py"
    return run([SAM / "bin" / "python", script, step, bundle], **variables)


def test_the_linter_of_cloudformation_passes_the_template() -> None:
    result = run([SAM / "bin" / "cfn-lint", "--non-zero-exit-code", "informational", TEMPLATE])
    assert result.returncode == 0, result.stdout


def test_sam_passes_the_template(tmp_path: Path) -> None:
    command = [SAM / "bin" / "sam", "validate", "--lint", "--template-file", TEMPLATE]
    variables = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}
    result = run(command, **variables, HOME=str(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short functions, such as !Ref, as plain values."""


Loader.add_multi_constructor(
    "!",
    lambda loader, suffix, node: (
        loader.construct_scalar(node)
        if isinstance(node, yaml.ScalarNode)
        else loader.construct_sequence(node, deep=True)
    ),
)


def test_the_role_may_write_its_own_log_and_traces_and_nothing_else() -> None:
    template = yaml.load(TEMPLATE.read_text(), Loader)
    policies = template["Resources"]["Role"]["Properties"]["Policies"]
    statements = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    actions = [action for statement in statements for action in statement["Action"]]
    assert sorted(actions) == [
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    ]
    assert template["Parameters"]["Architecture"]["Default"] == "arm64"


def test_a_deployment_is_shown_before_it_is_done(bundles: Path) -> None:
    result = deployment("deploy", bundles / "iris", REPOSITORY=REPOSITORY)
    assert result.returncode == 0, result.stderr
    assert f"docker push {REPOSITORY}:iris-1" in result.stdout
    assert "sam deploy" in result.stdout
    assert "Nothing was done" in result.stdout


def test_a_deployment_without_a_repository_says_how_to_make_one(bundles: Path) -> None:
    result = deployment("deploy", bundles / "iris")
    assert (result.returncode, result.stdout) == (2, "")
    assert "aws ecr create-repository" in result.stderr


PUBLISH = """
import io, json, zipfile, boto3
file = io.BytesIO()
with zipfile.ZipFile(file, "w") as archive:
    archive.writestr("entry.py", "handler = print")
trust = json.dumps({"Version": "2012-10-17", "Statement": []})
role = boto3.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trust)
service = boto3.client("lambda")
service.create_function(
    FunctionName="twite-iris", Runtime="python3.13", Handler="entry.handler",
    Role=role["Role"]["Arn"], Code={"ZipFile": file.getvalue()}, Publish=True,
)
service.create_alias(FunctionName="twite-iris", Name="live", FunctionVersion="1")
file.seek(0)
with zipfile.ZipFile(file, "w") as archive:
    archive.writestr("entry.py", "handler = repr")
service.update_function_code(FunctionName="twite-iris", ZipFile=file.getvalue(), Publish=True)
service.update_alias(FunctionName="twite-iris", Name="live", FunctionVersion="2")
"""

ALIAS = """
import json, boto3
alias = boto3.client("lambda").get_alias(FunctionName="twite-iris", Name="live")
print(json.dumps(alias["FunctionVersion"]))
"""


@pytest.fixture
def variables(cloud: Cloud) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": cloud.address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "FUNCTION_NAME": "twite-iris",
    }


def test_a_rollback_goes_to_the_version_before(bundles: Path, variables: dict[str, str]) -> None:
    python = SAM / "bin" / "python"
    published = run([python, "-c", PUBLISH], **variables)
    assert published.returncode == 0, published.stderr
    shown = deployment("rollback", bundles / "iris", **variables)
    assert "alias live goes from version 2 back to 1" in shown.stdout, shown.stderr
    assert json.loads(run([python, "-c", ALIAS], **variables).stdout) == "2"
    done = deployment("rollback", bundles / "iris", CONFIRM="yes", **variables)
    assert done.returncode == 0, done.stderr
    assert json.loads(run([python, "-c", ALIAS], **variables).stdout) == "1"
    nothing = deployment("rollback", bundles / "iris", CONFIRM="yes", **variables)
    assert nothing.returncode == 2
    assert "no version before 1" in nothing.stderr


def test_a_rollback_without_a_region_says_what_to_set(bundles: Path) -> None:
    result = deployment("rollback", bundles / "iris")
    assert result.returncode == 2
    assert "AWS_REGION" in result.stderr
