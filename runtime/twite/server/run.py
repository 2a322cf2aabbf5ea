"""The server process: listen, load, be ready, drain, end."""

import asyncio
import gc
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from twite.accelerators.presence import find_accelerator
from twite.bounds import Bounds
from twite.pool import Limits
from twite.repository import Repository
from twite.server.app import make_app
from twite.server.http import HttpServer
from twite.server.identity import note_refusal
from twite.server.limits import limits_of
from twite.server.listener import bind, spell
from twite.server.stopping import Stop, signals
from twite.settings import Settings

if TYPE_CHECKING:
    from twite.server.workers import Worker

log = logging.getLogger("twite")


class Served(NamedTuple):
    """What one process serves, and with what."""

    bundles: Sequence[Path]
    settings: Settings
    repository: Repository
    listener: socket.socket


def serve(bundles: Sequence[Path], settings: Settings, worker: "Worker | None" = None) -> None:
    """Serve the bundles until SIGTERM or SIGINT, answering what was accepted before that.

    Liveness answers at once; readiness waits for the golden samples. A worker takes its orders
    from its parent and no signals. Raises BundleError, VerificationFailed or EngineError when the
    bundle cannot be served.
    """
    repository = _repository(settings, worker)
    stop = Stop(repository.stop)
    with ExitStack() as stack:
        if worker is None:
            stack.enter_context(signals(stop, settings.drain_pause_s))
        listener = stack.enter_context(bind(settings))
        log.info("loading %s", ", ".join(map(str, bundles)))
        served = Served(bundles, settings, repository, listener)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(served, stop, worker))
        repository.close()


def _repository(settings: Settings, worker: "Worker | None") -> Repository:
    deadline_s = settings.deadline_s or 3600.0
    return Repository(
        name=settings.model_name,
        limits=Limits(queue=settings.queue, deadline_s=deadline_s, batch=settings.batch),
        ledger=worker.ledger if worker else None,
        bounds=Bounds(settings.max_batch, settings.max_json_depth, settings.max_json_numbers),
        find_accelerator=lambda bundle, threads: find_accelerator(bundle, settings, threads),
    )


async def _serve(served: Served, stop: Stop, worker: "Worker | None") -> None:
    settings = served.settings
    app = make_app(served.repository, settings)
    note = note_refusal if settings.access_log else lambda answer: None
    server = HttpServer(app, limits_of(settings), note, app.admit)
    listens_late = worker is not None and worker.listens_late
    if not listens_late:
        await server.start(served.listener)
    if worker:
        worker.obey(stop, settings.drain_pause_s)
    stopping = asyncio.create_task(stop.wait())
    loading = asyncio.get_running_loop().run_in_executor(None, _load, served)
    await asyncio.wait((stopping, loading), return_when=asyncio.FIRST_COMPLETED)
    if loading.done():
        loading.result()
        if listens_late:
            await server.start(served.listener)
        if worker:
            worker.report_ready()
    pause_s = await stopping
    if pause_s:
        server.is_closing = True
        await asyncio.sleep(pause_s)
    await server.drain(settings.drain_timeout_s)
    await asyncio.wait((loading,))
    app.close()


def _load(served: Served) -> None:
    begin = monotonic()
    served.repository.load(served.bundles, served.settings.threads)
    # What is loaded stays: the collector need not walk it again and again.
    gc.freeze()
    gc.enable()
    took_ms = (monotonic() - begin) * 1000
    host, port = served.listener.getsockname()[:2]
    for each in served.repository.models:
        for warning in each.model.warnings():
            log.warning("%s: %s", each.name, warning)
    names = ", ".join(f"{each.name} {each.version}" for each in served.repository.models)
    log.info("golden samples agree, ready after %.0f ms", took_ms)
    log.info("serving %s on http://%s:%d, Ctrl-C ends", names, spell(host), port)
    served.repository.accelerate()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
