"""OpenTelemetry spans, one a request, where the extra `tracing` is installed and configured.

OpenTelemetry's own variables configure it (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME,
OTEL_TRACES_SAMPLER, …). Spans leave in a thread of their own; a collector that is down costs
nothing but the spans.
"""

import asyncio
import logging
from collections.abc import Callable
from threading import Thread
from typing import Any

from twite.server.exchange import Answer, Endpoint, Request

log = logging.getLogger("twite")

FLUSH_S = 2.0
"""How long the end of the process waits for the last spans to leave."""


class Tracer:
    """Wraps an application in spans; close sends what is left."""

    def __init__(self, provider: Any, parent_of: Callable[[Request], Any]) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("twite")
        self._parent_of = parent_of

    def wrap(self, app: Endpoint) -> Endpoint:
        """Make a span of every request; its traceparent becomes the request's."""

        async def spanned(request: Request) -> Answer:
            span = self._start(request)
            try:
                answer = await app(request)
            except asyncio.CancelledError:
                span.set_attribute("error.type", "client_gone")
                span.end()
                raise
            _finish(span, request, answer)
            return answer

        return spanned

    def _start(self, request: Request) -> Any:
        from opentelemetry.trace import SpanKind

        attributes = {
            "http.request.method": request.method,
            "url.path": request.path,
            "url.scheme": "http",
            "client.address": request.peer,
            "http.request.body.size": request.size_bytes,
            "twite.request_id": request.id,
        }
        context = self._parent_of(request)
        span = self._tracer.start_span(
            request.method, context=context, kind=SpanKind.SERVER, attributes=attributes
        )
        own = span.get_span_context()
        request.trace = f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"
        return span

    def close(self) -> None:
        """Send what is left; a collector that does not answer is given up."""
        # It would try again for longer than whoever stops the process waits.
        ending = Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(FLUSH_S)


def _finish(span: Any, request: Request, answer: Answer) -> None:
    from opentelemetry.trace import StatusCode

    # Only what exists gives a name: a scanner's paths would be as many names.
    if answer.status not in (404, 405):
        span.update_name(f"{request.method} {request.path}")
    span.set_attribute("http.response.status_code", answer.status)
    span.set_attribute("http.response.body.size", len(answer.body))
    if answer.status >= 500:
        span.set_attribute("error.type", str(answer.status))
        span.set_status(StatusCode.ERROR)
    span.end()


def make_tracer() -> Tracer | None:
    """A tracer that OTEL_ variables configure, or None and a warning where nothing can send."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError as error:
        missing = f"{error.name} is not installed, so no spans are sent"
        log.warning('OTEL_ variables ask for traces; %s: pip install "twite[tracing]"', missing)
        return None
    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = Resource.create({SERVICE_NAME: "twite"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    propagator = TraceContextTextMapPropagator()
    return Tracer(provider, lambda request: propagator.extract(request.headers))
