"""One question in every dialect, and whether two sets of answers are the same."""

import json
import math

import numpy as np
from containers import BUNDLE, ROOT, Container

PNG = (ROOT / "examples" / "digits" / "seven.png").read_bytes()
GOLDEN = np.load(BUNDLE / "golden" / "in.image.npy")
PLAIN = {
    "json": (json.dumps({"features": GOLDEN[0].tolist()}).encode(), "application/json"),
    "png": (PNG, "image/png"),
}
SHAPE = list(GOLDEN[:1].shape)
OIP = {"name": "image", "shape": SHAPE, "datatype": "UINT8", "data": GOLDEN[0].ravel().tolist()}
NAMED = {
    "/v2/models/digits/infer": {"inputs": [OIP]},
    "/v1/models/digits:predict": {"instances": GOLDEN[:1].tolist()},
}
"""The dialects that name the model."""


def answers(container: Container) -> dict[str, object]:
    """What every dialect answers."""
    found: dict[str, object] = {}
    for name, (body, kind) in PLAIN.items():
        status, answer = container.ask("POST", "/predict", body, kind)
        assert status == 200, answer
        found[name] = json.loads(answer)
    for path, body in NAMED.items():
        status, answer = container.ask("POST", path, json.dumps(body).encode())
        assert status == 200, answer
        found[path] = json.loads(answer)
    return found


def agree(one: object, other: object) -> bool:
    """Whether two documents are equal but for small differences of their numbers."""
    if isinstance(one, float) and isinstance(other, float | int):
        return math.isclose(one, other, abs_tol=0.02)
    if isinstance(one, dict) and isinstance(other, dict):
        kept = set(one) - {"id"}
        return kept == set(other) - {"id"} and all(agree(one[key], other[key]) for key in kept)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(agree, one, other))
    return one == other
