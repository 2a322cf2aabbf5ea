"""What is wrong says so: events, bodies, bundles, sizes, and time that is over."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated import CODE, Function
from events import balancer, http

MB = 1024 * 1024


@pytest.mark.parametrize(
    ("event", "kind", "words"),
    [
        ({}, "RequestError", "an empty object"),
        ([1, 2], "RequestError", "a list of 2"),
        ("hello", "RequestError", "the text 'hello'"),
        (None, "RequestError", "null"),
        ({"source": "aws.events"}, "RequestError", "the keys source"),
        ({"feature": [1]}, "RequestError", "the keys feature"),
        ({"features": [1]}, "ShapeMismatch", "(1,)"),
        ({"features": ["a", "b", "c"]}, "RequestError", "the text 'a'"),
        ({"features": [1, True, 2]}, "RequestError", "features[1] is true"),
        ({"features": [[1, 2, 3], [4]]}, "ShapeMismatch", "features[1] has 1 entries"),
        ({"features": [1, 2, None]}, "RequestError", "null"),
        ({"inputs": {"feature": [[1, 2, 3]]}}, "RequestError", "unknown input 'feature'"),
        ({"features": [1, 2, 3], "id": 1}, "RequestError", "unknown key 'id'"),
        ({"requestContext": {}}, "RequestError", "no HTTP event"),
        ({"requestContext": 7, "version": "2.0"}, "RequestError", "no HTTP event"),
        ({"Records": []}, "RequestError", "records of nothing"),
        ({"Records": [{"eventSource": "aws:sns"}]}, "RequestError", "aws:sns"),
    ],
)
def test_an_event_that_is_none_is_told_what_to_send(
    event: object, kind: str, words: str, iris: Function
) -> None:
    answer = iris.invoke(event)
    assert answer["errorType"] == kind
    assert words in answer["errorMessage"]


def test_an_event_nested_without_end_is_refused(iris: Function) -> None:
    nested = "[" * 900 + "1" + "]" * 900
    _, body = iris.emulator.invoke(b'{"features": ' + nested.encode() + b"}")
    assert json.loads(body)["errorType"] in ("RequestError", "ShapeMismatch")


def test_an_event_that_is_no_json_is_lambdas_own_error(iris: Function) -> None:
    _, body = iris.emulator.invoke(b'{"features": [1,')
    assert json.loads(body)["errorType"] == "Runtime.UnmarshalError"


def test_the_function_answers_on_after_errors(iris: Function) -> None:
    iris.invoke({"features": [1]})
    assert iris.invoke({"features": [5.1, 3.5, 0.2]}) == {"prediction": 1.4}


def test_a_body_that_is_not_base64_is_a_400(iris: Function) -> None:
    event = http("POST", "/predict", "%%%") | {"isBase64Encoded": True}
    answer = iris.invoke(event)
    assert answer["statusCode"] == 400
    assert "not base64" in json.loads(answer["body"])["error"]


def test_a_method_that_a_path_does_not_take_is_a_405(iris: Function) -> None:
    answer = iris.invoke(http("GET", "/predict"))
    assert (answer["statusCode"], answer["headers"]["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("event", "most"),
    [
        (http("POST", "/predict", bytes(4_200_000), "image/png"), 4_000_000),
        (http("POST", "/predict", "1" * 5_000_000), 4_000_000),
        (balancer("POST", "/predict", "1" * (MB + 1)), MB),
    ],
    ids=["base64", "text", "alb"],
)
def test_a_body_over_the_limit_is_a_413_that_names_it(
    event: dict[str, Any], most: int, digits: Function
) -> None:
    answer = digits.invoke(event)
    assert answer["statusCode"] == 413
    assert f"up to {most}" in json.loads(answer["body"])["error"]


def test_base64_leaves_three_quarters_of_six_megabytes() -> None:
    from gateway import _body
    from twite.errors import BodyTooLarge

    event = http("POST", "/predict", bytes(6 * MB * 3 // 4), "image/png")
    assert len(_body(event, 6 * MB * 3 // 4)) == 6 * MB * 3 // 4
    with pytest.raises(BodyTooLarge, match="has 4718592 bytes; this function takes up to 4718591"):
        _body(event, 6 * MB * 3 // 4 - 1)


@pytest.mark.parametrize("is_http", [False, True], ids=["direct", "http-api"])
def test_an_answer_over_six_megabytes_is_refused_with_a_hint(
    is_http: bool, start: Callable[..., Function], bundles: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(bundles / "iris", bundle)
    manifest = json.loads((bundle / "bundle.json").read_text())
    # Raw float32 numbers take more bytes than the rows that they are of.
    manifest["postprocessing"] = {"kind": "tensors"}
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    event: Any = {"features": [[4.1, 3.5, 0.2]] * 330_000}
    if is_http:
        event = http("POST", "/predict", json.dumps(event))
    answer = start({"MODEL_PATH": str(bundle)}, handler="entry.handler").invoke(event)
    message = json.loads(answer["body"])["error"] if is_http else answer["errorMessage"]
    assert "fewer samples" in message
    assert f"up to {6 * MB}" in message
    assert answer["statusCode"] == 413 if is_http else answer["errorType"] == "BodyTooLarge"


def missing(bundle: Path) -> None:
    shutil.rmtree(bundle)


def tampered(bundle: Path) -> None:
    model = bundle / "model.tflite"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(bytes(data))


def truncated(bundle: Path) -> None:
    (bundle / "bundle.json").write_text('{"format": "twite-')


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (missing, "Runtime.BundleError", "bundle"),
        (tampered, "Runtime.HashMismatch", "model.tflite"),
        (truncated, "Runtime.BundleError", "bundle.json"),
    ],
)
def test_a_bundle_that_cannot_be_served_fails_init_in_one_line(
    fault: Callable[[Path], None],
    kind: str,
    words: str,
    start: Callable[..., Function],
    bundles: Path,
    tmp_path: Path,
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(bundles / "iris", bundle)
    fault(bundle)
    function = start({"MODEL_PATH": str(bundle)}, handler="entry.handler")
    answer = function.invoke({"features": [5.1, 3.5, 0.2]})
    assert answer["errorType"] == kind
    assert words in answer["errorMessage"]
    (line,) = [line for line in function.lines() if line["level"] == "ERROR"][:1]
    assert line["message"] == f"INIT failed: {answer['errorMessage']}"
    assert 'File "' not in function.log()


def test_wrong_golden_samples_fail_init(
    start: Callable[..., Function], bundles: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(bundles / "iris", bundle)
    golden = next((bundle / "golden").glob("out.*.npy"))
    np.save(golden, np.load(golden) + 1)
    manifest = json.loads((bundle / "bundle.json").read_text())
    entry = manifest["files"][f"golden/{golden.name}"]
    entry |= {"sha256": hashlib.sha256(golden.read_bytes()).hexdigest()}
    entry |= {"size_bytes": golden.stat().st_size}
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    answer = start({"MODEL_PATH": str(bundle)}, handler="entry.handler").invoke({})
    assert answer["errorType"] == "Runtime.VerificationFailed"
    assert "golden sample 0" in answer["errorMessage"]


def test_without_a_bundle_init_says_how_to_name_one(start: Callable[..., Function]) -> None:
    answer = start({}, handler="entry.handler").invoke({})
    assert answer["errorType"] == "Runtime.UsageError"
    assert "MODEL_PATH" in answer["errorMessage"]


def test_a_setting_that_is_wrong_is_named(start: Callable[..., Function], bundles: Path) -> None:
    settings = {"MODEL_PATH": str(bundles / "iris"), "TWITE_THREADS": "many"}
    answer = start(settings, handler="entry.handler").invoke({})
    assert answer["errorType"] == "Runtime.UsageError"
    assert "THREADS is 'many'" in answer["errorMessage"]


def test_time_that_is_over_ends_one_invocation_only(
    start: Callable[..., Function], bundles: Path
) -> None:
    settings = {"MODEL_PATH": str(bundles / "iris"), "AWS_LAMBDA_FUNCTION_TIMEOUT": "3"}
    function = start(settings)
    event = {"features": [5.1, 3.5, 0.2]}
    assert function.invoke(event) == {"prediction": 1.4}
    _, body = function.emulator.invoke(json.dumps({"sleep_s": 60, **event}).encode())
    assert b"timed out after 3" in body
    assert function.invoke(event) == {"prediction": 1.4}


def test_memory_decides_the_threads(start: Callable[..., Function], bundles: Path) -> None:
    settings = {"MODEL_PATH": str(bundles / "iris"), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"}
    function = start({**settings, "PYTHONPATH": CODE})
    function.invoke({"features": [5.1, 3.5, 0.2]})
    (ready,) = [line for line in function.lines() if "init" in line]
    assert ready["threads"] == 1
