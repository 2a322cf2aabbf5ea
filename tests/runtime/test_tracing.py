"""OpenTelemetry spans, received by a collector of our own over its real protocol."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from twite.settings import read_settings

ROW = {"features": [[5.1, 3.5, 0.2]]}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Collector(ThreadingHTTPServer):
    """Keeps every span that is sent to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.spans: list[Any] = []
        self.services: set[str] = set()


class Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        import gzip

        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.server.services.add(named["service.name"])
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Nothing: the tests look at the spans."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_spans_continue_the_trace_of_the_client(serve_iris: Any, collector: Collector) -> None:
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    with serve_iris(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as server:
        headers = {"traceparent": TRACE, "x-request-id": "abc"}
        answer = httpx.post(server.url + "/predict", json=ROW, headers=headers)
        httpx.get(server.url + "/nowhere")
        assert server.stop() == 0
    first, second = sorted(collector.spans, key=lambda span: span.start_time_unix_nano)
    assert collector.services == {"twite"}
    assert first.name == "POST /predict"
    assert first.trace_id.hex() == TRACE.split("-")[1]
    assert first.parent_span_id.hex() == TRACE.split("-")[2]
    assert answer.headers["traceparent"] == f"00-{first.trace_id.hex()}-{first.span_id.hex()}-01"
    found = {each.key: each.value for each in first.attributes}
    assert found["http.response.status_code"].int_value == 200
    assert found["twite.request_id"].string_value == "abc"
    assert second.name == "GET"
    assert second.trace_id != first.trace_id


def test_a_collector_that_is_down_harms_no_answer(serve_iris: Any) -> None:
    with serve_iris(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_SERVICE_NAME="x"
    ) as server:
        assert httpx.post(server.url + "/predict", json=ROW).json() == {"prediction": [1.5]}
        assert server.stop() == 0


def test_spans_are_off_unless_the_environment_asks() -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}
    assert not read_settings({}).tracing
    assert read_settings(endpoint).tracing
    assert read_settings({"OTEL_TRACES_EXPORTER": "otlp"}).tracing
    assert not read_settings({**endpoint, "OTEL_SDK_DISABLED": "true"}).tracing
    assert not read_settings({**endpoint, "OTEL_TRACES_EXPORTER": "none"}).tracing
