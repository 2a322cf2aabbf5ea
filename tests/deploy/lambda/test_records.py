"""Batches of a queue and objects of a bucket, on moto's S3 and SQS in a process of their own."""

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloud import PACKAGES, Cloud
from emulated import CODE, ROOT, Function, started


@pytest.fixture(scope="module")
def connected(
    cloud: Cloud, bundles: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Function]:
    """digits with boto3, answers into the bucket they came from, under a prefix."""
    settings = {
        "MODEL_PATH": str(bundles / "digits"),
        "PYTHONPATH": f"{CODE}:{PACKAGES}",
        "TWITE_RESULTS": "s3://pictures/answers/",
        "TWITE_MAX_BODY_BYTES": "100000",
        "AWS_ENDPOINT_URL": cloud.address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    with started(tmp_path_factory.mktemp("connected") / "log", settings) as function:
        yield function


def message(name: str, body: object) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    return {"messageId": name, "receiptHandle": "-", "body": text, "eventSource": "aws:sqs"}


def created(*keys: str, bucket: str = "pictures") -> dict[str, Any]:
    records = [
        {"eventSource": "aws:s3", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
        for key in keys
    ]
    return {"Records": records}


def test_only_the_messages_that_failed_come_again(iris: Function) -> None:
    good = {"features": [5.1, 3.5, 0.2]}
    records = [message("a", good), message("b", {"features": [1]}), message("c", "{")]
    records += [message("d", good), {"messageId": "e", "eventSource": "aws:sqs"}]
    answer = iris.invoke({"Records": records})
    failed = [each["itemIdentifier"] for each in answer["batchItemFailures"]]
    assert failed == ["b", "c", "e"]
    answers = [line for line in iris.lines() if line["message"] == "answer"]
    assert [(each["name"], each["answer"]) for each in answers[-2:]] == [
        ("a", {"prediction": 1.4}),
        ("d", {"prediction": 1.4}),
    ]


def test_answers_to_messages_go_to_the_bucket(
    connected: Function, cloud: Cloud, bundles: Path
) -> None:
    pixels = np.load(bundles / "digits" / "golden" / "in.image.npy")[0]
    batch = {"Records": [message("m-1", {"features": pixels.tolist()})]}
    assert connected.invoke(batch) == {"batchItemFailures": []}
    assert len(cloud.read("pictures", "answers/m-1.json")["prediction"]) == 3


def test_objects_are_answered_by_their_content_type(
    connected: Function, cloud: Cloud, bundles: Path
) -> None:
    seven = (ROOT / "examples" / "digits" / "seven.png").read_bytes()
    file = BytesIO()
    np.save(file, np.load(bundles / "digits" / "golden" / "in.image.npy")[0])
    cloud.put("pictures", "in/a seven.png", seven, "image/png")
    cloud.put("pictures", "in/untyped.npy", file.getvalue(), "binary/octet-stream")
    answer = connected.invoke(created("in/a+seven.png", "in/untyped.npy"))
    assert answer == {"answered": ["in/a seven.png", "in/untyped.npy"]}
    assert cloud.read("pictures", "answers/in/a seven.png.json")["prediction"][0]["class"] == "7"
    assert len(cloud.read("pictures", "answers/in/untyped.npy.json")["prediction"]) == 3


def test_an_answer_is_not_asked_about(connected: Function) -> None:
    assert connected.invoke(created("answers/in/a+seven.png.json")) == {"answered": []}


def test_objects_that_fail_are_named_after_the_others_were_answered(
    connected: Function, cloud: Cloud
) -> None:
    seven = (ROOT / "examples" / "digits" / "seven.png").read_bytes()
    cloud.put("pictures", "good.png", seven, "image/png")
    cloud.put("pictures", "large.png", bytes(100_001), "image/png")
    cloud.put("pictures", "notes.txt", b"hello", "text/plain")
    answer = connected.invoke(created("missing.png", "large.png", "notes.txt", "good.png"))
    assert answer["errorType"] == "TwiteError"
    for words in ("3 of 4", "pictures/missing.png", "takes up to 100000", "text/plain"):
        assert words in answer["errorMessage"]
    assert cloud.read("pictures", "answers/good.png.json")["prediction"][0]["class"] == "7"


def test_without_boto3_an_object_event_says_what_to_install(iris: Function) -> None:
    answer = iris.invoke(created("in/a.png"))
    assert "boto3" in answer["errorMessage"]
    assert "docs/lambda.md" in answer["errorMessage"]


def test_answers_can_go_to_a_queue(
    cloud: Cloud, start: Callable[..., Function], bundles: Path
) -> None:
    cloud.sqs("CreateQueue", QueueName="answers")
    queue = f"{cloud.address}/123456789012/answers"
    settings = {
        "MODEL_PATH": str(bundles / "iris"),
        "PYTHONPATH": f"{CODE}:{PACKAGES}",
        "TWITE_RESULTS": queue,
        "AWS_ENDPOINT_URL": cloud.address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    function = start(settings)
    batch = {"Records": [message("m-2", {"features": [5.1, 3.5, 0.2]})]}
    assert function.invoke(batch) == {"batchItemFailures": []}
    received = cloud.sqs("ReceiveMessage", "/123456789012/answers", QueueUrl=queue)
    assert "m-2" in received
    assert "1.4" in received


@pytest.mark.parametrize(
    ("value", "words"), [("answers", "s3://BUCKET/PREFIX"), ("s3://pictures", "asked about again")]
)
def test_a_place_for_answers_that_cannot_be_is_refused(
    value: str, words: str, start: Callable[..., Function], bundles: Path
) -> None:
    settings = {"MODEL_PATH": str(bundles / "iris"), "TWITE_RESULTS": value}
    answer = start(settings).invoke(created("in/a.png"))
    assert answer["errorType"] == "UsageError"
    assert words in answer["errorMessage"]
