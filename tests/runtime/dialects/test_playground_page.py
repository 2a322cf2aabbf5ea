"""The page at `/` as it leaves the server; tests/deploy/browser/ looks at it in a browser."""

import asyncio
import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from twite.repository import Repository
from twite.server.app import make_app
from twite.server.exchange import Answer, Request
from twite.server.playground import _json
from twite.settings import Settings

Ask = Callable[..., Answer]


def page(ask: Ask) -> tuple[str, dict[str, str]]:
    answer = ask("GET", "/")
    assert answer.status == 200
    return answer.body.decode(), dict(answer.headers)


def models(ask: Ask) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="models">(.*?)</script>', page(ask)[0])
    assert found
    return {model["name"]: model for model in json.loads(found[1])}


def test_nothing_but_what_stands_in_the_page_may_run(ask: Ask) -> None:
    text, headers = page(ask)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_page_names_no_other_server(ask: Ask) -> None:
    text, _ = page(ask)
    assert "{{" not in text
    assert "://" not in text
    assert re.findall(r'(?:src|href)="([^"]*)"', text) == ["data:,"]


def test_every_model_has_its_kind_of_input_and_answer(ask: Ask) -> None:
    found = models(ask)
    kinds = {name: (model["input"]["kind"], model["answer"]) for name, model in found.items()}
    assert kinds["digits"] == ("draw", "classes")
    assert kinds["iris"] == ("features", "regression")
    assert kinds["words"] == ("text", "tensors")
    assert kinds["spots"] == ("picture", "boxes")
    assert kinds["pair"] == ("tensors", "tensors")
    assert found["iris"]["input"]["columns"] == ["sepal_length", "sepal_width", "petal_width"]
    assert found["digits"]["path"] == "predict/digits"
    assert found["digits"]["report"] == "v2/models/digits/versions/1/report"
    assert found["pair"]["report"] is None


def test_an_example_is_an_answerable_request(ask: Ask) -> None:
    found = models(ask)
    for name in ("pair", "every"):
        body = found[name]["input"]["example"].encode()
        assert ask("POST", f"/predict/{name}", body).status == 200, name
    iris = found["iris"]["input"]
    row = dict(zip(iris["columns"], iris["example"], strict=True))
    assert ask("POST", "/predict/iris", {"features": row}).status == 200


def test_the_page_is_made_once(ask: Ask) -> None:
    assert ask("GET", "/").body is ask("GET", "/").body


def test_a_name_cannot_leave_its_place() -> None:
    assert "</script>" not in _json({"name": "</script><script>alert(1)</script>"})
    assert json.loads(_json({"name": "</a>"})) == {"name": "</a>"}


def test_it_can_be_turned_off(repository: Repository) -> None:
    app = make_app(repository, Settings(playground=False))
    assert asyncio.run(app(Request("GET", "/", {}))).status == 404
