"""The bare ASGI app that binary tensors are measured beside: an interpreter in a thread for each
core, a queue before them, and no check of anything.

python bench/bare_tensors.py MODEL PORT takes the bytes of the one input at the end of a body, and
answers those of the one output, with the settings of uvicorn that bench/bare_asgi.py has.
"""

import asyncio
import os
import sys
from math import prod
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from bare_asgi import Receive, Send, serve

Job = tuple["asyncio.Future[bytes]", bytes]


def main() -> None:
    queue: SimpleQueue[Job] = SimpleQueue()
    for _ in os.sched_getaffinity(0):
        Thread(target=compute, args=(sys.argv[1], queue), daemon=True).start()

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        parts, is_whole = [], False
        while not is_whole:
            message = await receive()
            parts.append(message["body"])
            is_whole = not message["more_body"]
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        queue.put((future, b"".join(parts)))
        answer = await future
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    serve(app, int(sys.argv[2]))


def compute(model: str, queue: "SimpleQueue[Job]") -> None:
    interpreter = Interpreter(model, num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    result = interpreter.get_output_details()[0]["index"]
    size = prod(map(int, source["shape"]))
    while True:
        future, body = queue.get()
        offset = len(body) - size * np.dtype(source["dtype"]).itemsize
        tensor = np.frombuffer(body, source["dtype"], offset=offset).reshape(source["shape"])
        interpreter.set_tensor(source["index"], tensor)
        interpreter.invoke()
        answer = interpreter.get_tensor(result).tobytes()
        future.get_loop().call_soon_threadsafe(future.set_result, answer)


if __name__ == "__main__":
    main()
