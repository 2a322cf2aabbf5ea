"""The metrics as Prometheus' own parser reads them."""

from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

ROW = {"features": [[5.1, 3.5, 0.2]]}


def scrape(url: str) -> dict[str, list[Any]]:
    answer = httpx.get(url + "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    return {family.name: family.samples for family in families}


def test_requests_are_counted_by_their_status(iris: Any) -> None:
    for body in (ROW, ROW, {"features": "seven"}):
        httpx.post(iris.url + "/predict", json=body)
    httpx.get(iris.url + "/readyz")
    found = scrape(iris.url)
    codes = {s.labels["code"]: s.value for s in found["twite_inference_requests"]}
    assert codes == {"200": 2, "400": 1}, "health is not counted"
    assert all(s.labels["model_name"] == "iris" for s in found["twite_inference_requests"])
    counts = [s for s in found["twite_inference_duration_seconds"] if s.name.endswith("_count")]
    assert [s.value for s in counts] == [2]
    assert found["twite_inflight_requests"][0].value == 0
    assert found["process_resident_memory_bytes"][0].value > 10e6


def test_buckets_grow_to_the_count(iris: Any) -> None:
    httpx.post(iris.url + "/predict", json=ROW)
    samples = scrape(iris.url)["twite_inference_duration_seconds"]
    buckets = [s.value for s in samples if s.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 1


def test_the_model_tells_what_it_is(iris: Any) -> None:
    (info,) = scrape(iris.url)["twite_model_info"]
    assert len(info.labels["sha256"]) == 64
    assert info.labels["engine"].startswith("ai-edge-litert ")
    assert info.labels["accelerator"] == "cpu"
