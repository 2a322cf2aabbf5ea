"""The server process: listen, load, be ready, drain, end."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import FrameType

from twite.errors import UsageError
from twite.pool import Limits
from twite.repository import Repository
from twite.server import lean_uvicorn
from twite.server.app import make_app
from twite.server.asgi import make_asgi
from twite.server.lean_uvicorn import Config
from twite.settings import Settings

log = logging.getLogger("twite")


def serve(bundles: Sequence[Path], settings: Settings) -> None:
    """Serve the bundles until SIGTERM or SIGINT, answering what was accepted before that.

    Liveness answers at once; readiness waits for the golden samples. Raises BundleError,
    VerificationFailed or EngineError when the bundle cannot be served.
    """
    repository = Repository(
        name=settings.model_name,
        limits=Limits(
            queue=settings.queue, deadline_s=settings.deadline_s or 3600.0, batch=settings.batch
        ),
    )
    config = Config(
        make_asgi(make_app(repository), settings.max_body_bytes),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=max(1, round(settings.drain_timeout_s)),
    )
    server = Server(config, repository, settings.drain_pause_s)
    with server.handle_signals(), _listen(settings) as listener:
        log.info("loading %s", ", ".join(map(str, bundles)))
        server.start_model = lambda: _start(bundles, settings, repository, listener)
        server.run([listener])
    repository.close()
    if server.failure:
        raise server.failure


def _start(
    bundles: Sequence[Path], settings: Settings, repository: Repository, listener: socket.socket
) -> None:
    begin = monotonic()
    repository.load(bundles, settings.threads)
    # What is loaded stays: the collector need not walk it again and again.
    gc.freeze()
    gc.enable()
    took_ms = (monotonic() - begin) * 1000
    host, port = listener.getsockname()[:2]
    for served in repository.models:
        for warning in served.model.warnings():
            log.warning("%s: %s", served.name, warning)
    names = ", ".join(f"{served.name} {served.version}" for served in repository.models)
    log.info("golden samples agree, ready after %.0f ms", took_ms)
    log.info("serving %s on http://%s:%d, Ctrl-C ends", names, _spell(host), port)


def _listen(settings: Settings) -> socket.socket:
    """A bound socket; raises UsageError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {_spell(settings.host)}:{settings.port}: "
            f"{getattr(error, 'strerror', None) or error}; choose another with --host or --port"
        ) from error
    return listener


def _spell(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class Server(lean_uvicorn.Server):
    """uvicorn with our signals: SIGTERM pauses, drains and exits 0; a second one kills."""

    start_model: Callable[[], None]

    def __init__(self, config: Config, repository: Repository, drain_pause_s: float) -> None:
        super().__init__(config)
        self.failure: BaseException | None = None
        self._repository = repository
        self._drain_pause_s = drain_pause_s
        self._stop_at = float("inf")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: the handlers stand already, from before the model was loaded."""
        yield

    @contextmanager
    def handle_signals(self) -> Iterator[None]:
        before = {
            number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        pause_s = self._drain_pause_s if number == signal.SIGTERM else 0.0
        log.info("%s: stopping after the requests in flight", signal.Signals(number).name)
        self._repository.is_stopping = True
        self._stop_at = monotonic() + pause_s
        for again in (signal.SIGTERM, signal.SIGINT):
            signal.signal(again, signal.SIG_DFL)

    async def main_loop(self) -> None:
        loading = asyncio.get_running_loop().run_in_executor(None, self.start_model)
        loading.add_done_callback(self._loaded)
        await super().main_loop()

    def _loaded(self, loading: "asyncio.Future[None]") -> None:
        self.failure = loading.exception()
        self.should_exit = self.should_exit or self.failure is not None

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or monotonic() >= self._stop_at
