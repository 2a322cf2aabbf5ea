"""Who computes a request, and when: inline on the event loop, or in the model's own thread."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

from twite.errors import NotReady
from twite.model import Model

INLINE_S = 200e-6
"""A model that infers faster than this runs inline: a thread hop costs 0.1 ms and more."""
INLINE_BODY_BYTES = 16 * 1024
_PICTURES = ("image/", "multipart/")


class Scheduler:
    """The model as the server sees it: loading, then ready, then stopping.

    One thread owns the model. An inline request runs only while that thread has no work, so that
    the engine never has two owners.
    """

    def __init__(self) -> None:
        self.model: Model | None = None
        self.is_stopping = False
        self._is_fast = False
        self._pending = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="twite-model")

    @property
    def state(self) -> str:
        if self.is_stopping:
            return "stopping"
        return "ready" if self.model else "loading"

    @property
    def loaded(self) -> Model:
        """The model; raises NotReady until the golden samples have passed."""
        if self.model is None:
            raise NotReady("the model is still loading; try again in a second")
        return self.model

    def start(self, model: Model) -> None:
        """Replay the golden samples and become ready; raises VerificationFailed."""
        inference_s = model.replay()
        self._is_fast = inference_s < INLINE_S
        self.model = model

    async def predict(self, body: bytes, content_type: str) -> bytes:
        """Answer one request; raises NotReady until the golden samples have passed."""
        model = self.loaded
        if self._runs_inline(body, content_type):
            return model.predict(body, content_type)
        self._pending += 1
        job = self._thread.submit(model.predict, body, content_type)
        loop = asyncio.get_running_loop()
        job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._finish, job))
        return await asyncio.wrap_future(job)

    def _runs_inline(self, body: bytes, content_type: str) -> bool:
        return (
            self._is_fast
            and self._pending == 0
            and len(body) <= INLINE_BODY_BYTES
            and not content_type.startswith(_PICTURES)
        )

    def _finish(self, job: "Future[bytes]") -> None:
        self._pending -= 1

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
