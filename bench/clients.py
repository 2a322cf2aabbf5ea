"""Many clients of one server in one process, for crowd.py and soak.py.

python bench/clients.py PORT SECONDS closed CLIENTS | open RATE prints one JSON document: how many
answers of each status came, how long they took, and how long health took meanwhile.
"""

import asyncio
import json
import sys
from collections import defaultdict
from time import perf_counter

import uvloop

BODY = b'{"features": [[1, 2, 3, 4, 5, 6, 7, 8]]}'
PREDICT = (
    b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
HEALTH = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"
HEALTH_EVERY_S = 0.02
LOST, REFUSED = 0, 503
RETRY_AFTER_S = 1.0


class Client(asyncio.Protocol):
    """One connection, one request in flight."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[int] | None = None
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """The status of the answer, LOST where the connection ended without one."""
        self._answer = asyncio.get_running_loop().create_future()
        if self._transport.is_closing():
            self._answer.set_result(LOST)
        else:
            self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._came += data
        head = self._came.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._came.find(b"content-length: ") + 16
        size = int(self._came[at : self._came.find(b"\r\n", at)])
        if len(self._came) >= head + 4 + size and self._answer and not self._answer.done():
            self._answer.set_result(int(self._came[9:12]))
            self._came = b""

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_result(LOST)

    def close(self) -> None:
        self._transport.close()


class Crowd:
    """took_s has the durations by status; those of /livez stand under -1."""

    def __init__(self, port: int, seconds: float) -> None:
        self._port = port
        self._seconds = seconds
        self.took_s: dict[int, list[float]] = defaultdict(list)

    async def connect(self) -> Client:
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(Client, "127.0.0.1", self._port)
        return client

    async def closed(self, clients: int) -> None:
        """Each client asks again as soon as it has its answer, or when Retry-After says."""
        everyone = [await self.connect() for _ in range(clients)]
        end = perf_counter() + self._seconds
        await asyncio.gather(self.health(end), *(self._again(each, end) for each in everyone))

    async def open(self, rate: float) -> None:
        """`rate` requests a second whatever comes back, each on a connection that is free."""
        free = [await self.connect() for _ in range(64)]
        tasks = []
        begin = perf_counter()
        end = begin + self._seconds
        health = asyncio.ensure_future(self.health(end))
        sent = 0
        while (now := perf_counter()) < end:
            while sent < (now - begin) * rate:
                sent += 1
                tasks.append(asyncio.ensure_future(self._once(free)))
            await asyncio.sleep(0.002)
        await asyncio.gather(health, *tasks)

    async def health(self, end: float) -> None:
        client = await self.connect()
        while perf_counter() < end:
            begin = perf_counter()
            if await client.ask(HEALTH) == 200:
                self.took_s[-1].append(perf_counter() - begin)
            await asyncio.sleep(HEALTH_EVERY_S)
        client.close()

    async def _again(self, client: Client, end: float) -> None:
        while perf_counter() < end:
            if await self._timed(client) == REFUSED:
                await asyncio.sleep(RETRY_AFTER_S)
        client.close()

    async def _once(self, free: list[Client]) -> None:
        client = free.pop() if free else await self.connect()
        await self._timed(client)
        free.append(client)

    async def _timed(self, client: Client) -> int:
        begin = perf_counter()
        status = await client.ask(PREDICT)
        self.took_s[status].append(perf_counter() - begin)
        if status == LOST:
            await asyncio.sleep(0.01)
        return status


def main() -> None:
    port, seconds, how, size = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4]
    crowd = Crowd(port, seconds)
    work = crowd.closed(int(size)) if how == "closed" else crowd.open(float(size))
    uvloop.run(work)
    print(json.dumps({"seconds": seconds, "took_s": crowd.took_s}))


if __name__ == "__main__":
    main()
